"""Shares of a token PIN, k of n, as words of SLIP-39: dealt, written down, read again and put together.

The PIN is derived from a random secret, so that the secret's shares are the PIN's. Everything here is pure: no file,
terminal or token. Reasons: docs/decisions/0007-dual-control-of-the-pin.md.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations

from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics  # type: ignore[import-untyped]
from shamir_mnemonic import Share as Decoded
from shamir_mnemonic.wordlist import WORDLIST  # type: ignore[import-untyped]

from keyceremony.errors import ShareRefused

SMALLEST_THRESHOLD = 2
MOST_OFFICERS = 16  # SLIP-39: four bits
WORD_COUNTS = {128: 20, 256: 33}  # SLIP-39, "Format of the share mnemonic", by bits of the secret
_SURE_LETTERS = 4  # "the first four letters of each word are unique"
_BY_START = {word[:_SURE_LETTERS]: word for word in WORDLIST}
_FORMAT = re.compile(
    r"kagimori pin share v1\n"
    r"token (?P<token>.{1,32}) serial (?P<serial>[!-~]{1,16})\n"
    r"for (?P<officer>[a-z][a-z0-9-]{0,31}), (?P<threshold>[1-9][0-9]?) of (?P<count>[1-9][0-9]?)\n"
    r"(?P<words>[a-z]+(?: [a-z]+)+)\n"
)


@dataclass(frozen=True)
class Share:
    """One officer's share of one token's PIN. ``words`` are secret."""

    token: str
    serial: str
    officer: str
    threshold: int
    count: int
    words: str = field(repr=False)


def new_secret(bits: int) -> bytes:
    """A random secret of 128 or 256 bits."""
    return secrets.token_bytes(bits // 8)


def pin_of(secret: bytes) -> str:
    """A secret's PIN: base32 (RFC 4648, section 6) in lower case, without padding; 26 or 52 characters."""
    return base64.b32encode(secret).decode("ascii").rstrip("=").lower()


def deal(secret: bytes, threshold: int, officers: Sequence[str], *, token: str, serial: str) -> list[Share]:
    """A share for each officer; any ``threshold`` of them give the secret again, fewer tell nothing about it."""
    # one group; no passphrase, so stretching one (the iteration exponent) gains nothing
    (mnemonics,) = generate_mnemonics(1, [(threshold, len(officers))], secret, iteration_exponent=0)
    return [
        Share(token, serial, officer, threshold, len(officers), words)
        for officer, words in zip(officers, mnemonics, strict=True)
    ]


def require_secret(shares: Sequence[Share], secret: bytes) -> None:
    """Every quorum of the shares that will do gives the secret; of many, each share is tried in one at least.

    Raises:
        ShareRefused: one does not.
    """
    words = [share.words for share in shares]
    threshold = shares[0].threshold
    turned = words + words[: threshold - 1]
    if any(combine(turned[start : start + threshold]) != secret for start in range(len(words))):
        raise ShareRefused("the shares do not give the PIN again", "a defect or a failing disk; deal anew")


def normal_words(text: str) -> str:
    """The words in full, as SLIP-39 writes them; the first four letters of a word will do.

    Raises:
        ShareRefused: naming the place of each word (never the word) that is not in the list, or the wrong number.
    """
    found = [_word(typed) for typed in text.lower().split()]
    if unknown := [str(place) for place, word in enumerate(found, 1) if word is None]:
        what = "word" if len(unknown) == 1 else "words"
        raise ShareRefused(f"{what} {', '.join(unknown)}: not in the list of words", "check the spelling")
    if len(found) not in WORD_COUNTS.values():
        raise ShareRefused(f"{len(found)} words: a share has 20 (or 33, of a 256-bit PIN)", "look for one left out")
    return " ".join(word for word in found if word is not None)


def same_word(typed: str, expected: str) -> bool:
    """Whether this is the word, in full or by its first four letters."""
    return _word(typed.strip().lower()) == expected


def _word(typed: str) -> str | None:
    word = _BY_START.get(typed[:_SURE_LETTERS])
    return word if word is not None and typed in (word, word[:_SURE_LETTERS]) else None


def threshold_of(words: str) -> int:
    """How many shares are needed, which every share tells.

    Raises:
        ShareRefused: see `require_fitting`.
    """
    return int(_decoded(words).member_threshold)


def require_fitting(given: Sequence[str]) -> None:
    """The shares, in words in full, are sound, of one split, and all different.

    Raises:
        ShareRefused: naming what is wrong by the place of the share, never by its words.
    """
    decoded = [_decoded(words) for words in given]
    if len({share.group_parameters() for share in decoded}) > 1:
        raise ShareRefused("shares of different splits are mixed", "take those of the last split of this token alone")
    for (first, one), (second, other) in combinations(enumerate(decoded, 1), 2):
        if one == other:
            raise ShareRefused(f"shares {first} and {second} are the same share", "it counts once: bring another one")


def combine(given: Sequence[str]) -> bytes:
    """The secret of at least as many shares as are needed; more must agree.

    Raises:
        ShareRefused: as `require_fitting`, too few, or they do not belong together.
    """
    require_fitting(given)
    needed = threshold_of(given[0])
    if len(given) < needed:
        raise ShareRefused(f"{needed} shares are needed, {len(given)} given", "bring the others' shares, too")
    windows = [list(given[start : start + needed]) for start in range(len(given) - needed + 1)]
    with suppress(MnemonicError):  # its words quote the share
        found = {bytes(combine_mnemonics(window)) for window in windows}
        if len(found) == 1:
            return found.pop()
    raise ShareRefused("the shares do not belong together", "are they all of the last split of this token?")


def _decoded(words: str) -> Decoded:
    share = None
    with suppress(MnemonicError):
        share = Decoded.from_mnemonic(words)
    if share is None:
        raise ShareRefused(
            "the checksum does not fit: a word is wrong, or two are in each other's place", "read it again"
        )
    if (share.group_count, share.group_threshold) != (1, 1) or share.member_threshold < SMALLEST_THRESHOLD:
        raise ShareRefused("not a share of a PIN: it is of another kind of split", "is it a share of something else?")
    return share


def render(share: Share) -> bytes:
    """The share as the text of a file."""
    return (
        "kagimori pin share v1\n"
        f"token {share.token} serial {share.serial}\n"
        f"for {share.officer}, {share.threshold} of {share.count}\n"
        f"{share.words}\n"
    ).encode()


def parse(data: bytes) -> Share:
    """The share in a file, its words checked.

    Raises:
        ShareRefused: not exactly what `render` writes, or the words are not sound.
    """
    found = None
    with suppress(UnicodeDecodeError):
        found = _FORMAT.fullmatch(data.decode())
    if found is None:
        raise ShareRefused("not a PIN share", "give the files that keyceremony pin split wrote, unchanged")
    share = Share(
        found["token"],
        found["serial"],
        found["officer"],
        int(found["threshold"]),
        int(found["count"]),
        normal_words(found["words"]),
    )
    if share.words != found["words"] or threshold_of(share.words) != share.threshold:
        raise ShareRefused("its lines contradict each other", "the file was altered: take the original")
    return share
