"""The proof of `manual.nn` and `manual.optim`: a table of cases, and what is done with each case."""
