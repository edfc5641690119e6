"""How a loss changes: the chain rule, and the ways down."""
