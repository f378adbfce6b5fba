"""The read-aloud digest: sixteen words that people compare by voice instead of sixty-four hex digits.

The words are the first 160 bits of a SHA-256 digest, ten bits each, in the SLIP-39 word list (1024 words
of 4 to 8 letters; the first four letters of each are unique), see docs/decisions/0004-read-aloud-digest.md.
The signature itself always covers the whole digest.
"""

from __future__ import annotations

import hashlib

from shamir_mnemonic.wordlist import WORDLIST  # type: ignore[import-untyped]

WORDS = 16
GROUP = 4
_BITS = 10


def read_aloud(digest: str) -> tuple[str, ...]:
    """Sixteen words of a SHA-256 digest given in hex."""
    bits = int(digest, 16) >> (256 - WORDS * _BITS)
    shifts = range((WORDS - 1) * _BITS, -1, -_BITS)
    return tuple(WORDLIST[bits >> shift & (1 << _BITS) - 1] for shift in shifts)


def words_of(data: bytes) -> tuple[str, ...]:
    """The read-aloud words of the bytes' own SHA-256."""
    return read_aloud(hashlib.sha256(data).hexdigest())


def groups(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words as four lines of four."""
    return tuple(" ".join(words[start : start + GROUP]) for start in range(0, len(words), GROUP))


def last_four(words: tuple[str, ...]) -> str:
    """What an approver types: the last group."""
    return groups(words)[-1]


def same_words(typed: str, expected: str) -> bool:
    """Whether the words are the same, whatever their case and spacing."""
    return typed.lower().split() == expected.split()
