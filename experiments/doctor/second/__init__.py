"""The second verdict: what a name promises, and torch's own function on the same numbers."""
