"""What is trained on what, and the machinery that trains both sides and compares them."""
