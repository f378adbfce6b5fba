"""Where things stand: plans on their way, what is due, and what is on the tokens."""
