"""Every concept as it is done in practice: torch.nn in a Lightning module. Autograd writes the backward."""
