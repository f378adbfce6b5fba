"""Writing the few DER shapes (X.690) that a ledger file is made of.

The verifier takes a file apart with asn1crypto and puts it together again with this; since the
two share no code and no cached bytes, equality of the bytes means that nothing was overlooked.
"""

from __future__ import annotations

from asn1crypto.core import ObjectIdentifier

INTEGER, OCTET_STRING, UTC_TIME, GENERALIZED_TIME = 0x02, 0x04, 0x17, 0x18
SEQUENCE, SET, CONTEXT_0 = 0x30, 0x31, 0xA0
# asn1crypto parses lazily and lets whatever goes wrong inside come out as it is.
ASN1_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


def tlv(tag: int, *parts: bytes) -> bytes:
    """Tag, shortest definite length (X.690, 10.1) and the parts one after another."""
    length = sum(map(len, parts))
    if length < 0x80:
        header = bytes((tag, length))
    else:
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        header = bytes((tag, 0x80 | len(octets))) + octets
    return b"".join((header, *parts))


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of encoded parts."""
    return tlv(SEQUENCE, *parts)


def set_of(*parts: bytes, tag: int = SET) -> bytes:
    """SET OF encoded parts in DER's order (X.690, 11.6)."""
    return tlv(tag, *sorted(parts))


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    return bytes(ObjectIdentifier(dotted).dump())


def first_line(error: BaseException) -> str:
    """What a parser said, on one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
