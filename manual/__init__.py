"""Every concept by hand: NumPy, and the backward pass derived and typed out."""
