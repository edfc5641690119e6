"""The functions of the chapter scale."""
