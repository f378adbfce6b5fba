"""The engine: the process that is logged in to the token, and the supervisor that keeps it running."""
