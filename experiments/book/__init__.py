"""The book: every concept and every layer a page of the web, made from the code and its docstrings."""
