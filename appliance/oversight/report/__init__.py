"""The report: one HTML page about an exported copy of the log, for the oversight body to look at and to print."""
