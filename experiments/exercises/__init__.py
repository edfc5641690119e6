"""What a learner does himself: write a backward, fill in numbers and shapes, find a fault; and what judges it."""
