"""The hand-written source, read as trees: what calls what, and what is a backward."""
