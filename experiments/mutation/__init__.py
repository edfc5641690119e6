"""The tests are tested: mistakes are made in the program, and must be noticed."""
