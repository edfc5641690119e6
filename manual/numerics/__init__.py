"""What a computer does to numbers: rounding, overflow, and how much a small error grows."""
