"""How many steps of the interpreter a small request takes in the daemon's event loop; counted, not timed."""
