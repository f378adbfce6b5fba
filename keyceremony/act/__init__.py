"""Carrying out an approved plan under a journal: the only code that changes a token."""
