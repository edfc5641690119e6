"""How fast it is by hand: against torch, against the plain forms, and by which power of each size it grows."""
