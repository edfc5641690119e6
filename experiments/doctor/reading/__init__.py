"""What stands in a stranger's file: which functions belong together, and what their names and their text say."""
