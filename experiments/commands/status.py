"""Exit statuses of the command line."""

AGREE, DISAGREE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
