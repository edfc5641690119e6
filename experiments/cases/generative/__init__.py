"""The functions of the chapter generative."""
