"""Votes of private samples, the noise on them, and the exact account of what it promises."""
