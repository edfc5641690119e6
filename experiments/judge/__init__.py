"""What "equal" means: tensors compared, faults found and explained, and the cases that are judged. It knows no Lightning."""
