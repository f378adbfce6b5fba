"""Sheets of paper: the script of a ceremony before it, and its minutes after it, as self-contained HTML."""
