"""Trials of a token: what it does when it is asked for what Kagimori needs, with scratch objects of their own."""
