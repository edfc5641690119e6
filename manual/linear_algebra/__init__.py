"""Vectors and matrices: what the numbers of a network are kept in, and what they do to space."""
