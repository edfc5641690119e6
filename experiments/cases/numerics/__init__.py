"""The functions of the chapter numerics."""
