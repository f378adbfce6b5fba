"""How a card is called: by its authority's key and the serial number that this authority gave its certificate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CardId:
    """``issuer``: SHA-256 (hex) of the authority's SubjectPublicKeyInfo; ``serial``: hex, without leading zeros."""

    issuer: str
    serial: str = field(repr=False)

    @classmethod
    def of(cls, authority_key: bytes, serial: int) -> CardId:
        """The name of the card whose certificate this authority (SubjectPublicKeyInfo, DER) gave the serial number."""
        return cls(hashlib.sha256(authority_key).hexdigest(), f"{serial:x}")
