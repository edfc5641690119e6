"""The functions of the chapter calculus."""
