"""Embedders: texts in, unit rows out, for voting and for nearest neighbours."""
