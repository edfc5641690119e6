"""Exit statuses of the command line."""

AGREE, DISAGREE, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
