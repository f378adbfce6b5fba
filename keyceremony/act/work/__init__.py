"""What a plan's actions do on tokens, step by step, each step written to the journal before it is taken."""
