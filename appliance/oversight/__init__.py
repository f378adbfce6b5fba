"""What the oversight body runs on its own machine: it witnesses, copies and verifies the log, and reports on it."""
