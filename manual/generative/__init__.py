"""Models that make new examples."""
