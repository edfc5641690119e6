"""Training that is spread over batches, processes and machines."""
