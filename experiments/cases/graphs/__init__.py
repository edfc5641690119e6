"""The functions of the chapter graphs."""
