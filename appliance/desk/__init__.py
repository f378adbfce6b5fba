"""Oversight's desk: a web page for the oversight body, on a socket of its own, that changes nothing."""
