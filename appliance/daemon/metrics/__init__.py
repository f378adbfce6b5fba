"""What an operator's monitoring is told: counts and times, by the Prometheus text format, on a socket of its own."""
