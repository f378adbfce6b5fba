"""Signing in with a card: a challenge, its answer, the certificate's standing, the person it belongs to."""
