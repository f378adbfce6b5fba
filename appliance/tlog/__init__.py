"""Transparency logs: RFC 6962 trees and the C2SP formats around them. Pure: no file, socket, clock or token."""
