"""The functions of the chapter unsupervised."""
