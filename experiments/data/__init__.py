"""What is trained on: arrays and their loaders, digits, wine, and what a policy plays."""
