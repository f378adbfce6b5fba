"""The witness: sees every head of the log, signs only what goes on from the one before, and never two that disagree."""
