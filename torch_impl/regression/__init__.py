"""Fitting numbers to numbers."""
