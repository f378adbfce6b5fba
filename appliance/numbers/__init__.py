"""Numbers: formats, check digits, domains and FF1. Pure: no file, socket, clock or token.

Whoever has a key gives it as an `EncryptBlocks` function, which a token or a software AES can be.
"""

from appliance.numbers.aes import EncryptBlocks

__all__ = ["EncryptBlocks"]
