"""The functions of the chapter sequences."""
