"""Linking (紐付け) between two parties: the files that go there and back, and the command line of each side."""
