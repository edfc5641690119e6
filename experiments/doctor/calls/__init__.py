"""Running a stranger's code: its objects, its arguments, what a call has shown, and what of it is a result."""
