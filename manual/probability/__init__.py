"""Probability: what a network that is unsure says, and how it is taught to say it well."""
