"""Is it right, and if not: where, what is wrong with it, and what only looks wrong."""
