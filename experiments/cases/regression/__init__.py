"""The functions of the chapter regression."""
