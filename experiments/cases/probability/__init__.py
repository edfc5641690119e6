"""The functions of the chapter probability."""
