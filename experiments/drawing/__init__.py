"""How figures are drawn, and what several of them share."""
