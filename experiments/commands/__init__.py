"""What `python -m experiments` can be told to do, and what its commands share."""
