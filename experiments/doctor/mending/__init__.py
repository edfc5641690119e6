"""What would make it right: changes of a line, of two lines, or a line that is missing."""
