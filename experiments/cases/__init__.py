"""The tables of cases, in the folders and files of `manual`: how everything written by hand is built and fed, beside its twin."""
