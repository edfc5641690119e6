"""Worlds to act in, with Gymnasium's interface."""
