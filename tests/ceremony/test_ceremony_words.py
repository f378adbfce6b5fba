"""The read-aloud words say the digest's first 160 bits, no more and no less."""

from __future__ import annotations

import hashlib
import string

from hypothesis import given
from hypothesis import strategies as st
from shamir_mnemonic.wordlist import WORDLIST

from keyceremony.words import groups, last_four, read_aloud, same_words, words_of

DIGESTS = st.binary(min_size=32, max_size=32)


def test_known_digests() -> None:
    assert read_aloud("00" * 32) == ("academic",) * 16
    assert read_aloud("ff" * 32) == ("zero",) * 16
    counted = int("".join(f"{number:010b}" for number in range(1, 17)), 2) << 96
    assert read_aloud(f"{counted:064x}") == tuple(WORDLIST[1:17])
    assert words_of(b"kagimori") == read_aloud(hashlib.sha256(b"kagimori").hexdigest())


def test_the_list_is_the_standards() -> None:
    """SLIP-39: 1024 words of 4 to 8 letters, sorted, told apart by their first four letters."""
    assert len(WORDLIST) == len({word[:4] for word in WORDLIST}) == 1024
    assert sorted(WORDLIST) == WORDLIST
    assert all(4 <= len(word) <= 8 and set(word) <= set(string.ascii_lowercase) for word in WORDLIST)
    digest = hashlib.sha256("".join(f"{word}\n" for word in WORDLIST).encode()).hexdigest()
    assert digest == "bcc4555340332d169718aed8bf31dd9d5248cb7da6e5d355140ef4f1e601eec3", "the list of SLIP-0039"


@given(DIGESTS)
def test_the_words_give_the_bits_back(digest: bytes) -> None:
    words = read_aloud(digest.hex())
    assert len(words) == 16
    value = 0
    for word in words:
        value = value << 10 | WORDLIST.index(word)
    assert value.to_bytes(20) == digest[:20]


@given(DIGESTS, st.integers(0, 159))
def test_any_changed_bit_changes_its_word(digest: bytes, bit: int) -> None:
    flipped = (int.from_bytes(digest) ^ 1 << (255 - bit)).to_bytes(32)
    one, other = read_aloud(digest.hex()), read_aloud(flipped.hex())
    assert [index for index in range(16) if one[index] != other[index]] == [bit // 10]


@given(DIGESTS)
def test_four_groups_of_four_and_the_last(digest: bytes) -> None:
    words = read_aloud(digest.hex())
    assert [group.split() for group in groups(words)] == [list(words[start : start + 4]) for start in (0, 4, 8, 12)]
    assert last_four(words) == " ".join(words[12:])


def test_typing_is_forgiving_about_case_and_spaces_only() -> None:
    expected = "example mandate year spill"
    assert same_words("  Example MANDATE\tyear  spill ", expected)
    for wrong in ("example mandate year", "mandate example year spill", "example mandate year spill spill", "", "yes"):
        assert not same_words(wrong, expected)
