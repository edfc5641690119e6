"""The optimizers and schedules."""
