"""Participants: their keys, cards and secrets."""
