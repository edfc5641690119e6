"""The functions of the chapter reinforcement."""
