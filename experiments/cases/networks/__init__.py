"""Cases of the networks."""
