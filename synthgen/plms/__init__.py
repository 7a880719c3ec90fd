"""The PLMs: which there are, and what runs them."""
