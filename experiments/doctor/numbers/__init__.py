"""The numbers that a stranger's code is run on: shapes that fit together, found by its names, by its text and by trying."""
