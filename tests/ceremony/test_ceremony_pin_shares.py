"""PIN shares in memory: any k of n give the secret, fewer do not, and every flaw is named without showing a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import Share as Decoded
from shamir_mnemonic import combine_mnemonics, generate_mnemonics
from shamir_mnemonic.wordlist import WORDLIST

from keyceremony.errors import ShareRefused
from keyceremony.pin import pinshares
from keyceremony.pin.pinshares import Share

NAMES = [f"officer-{number}" for number in range(1, 17)]


def dealt(threshold: int = 2, count: int = 3, secret: bytes = bytes(range(16))) -> list[Share]:
    return pinshares.deal(secret, threshold, NAMES[:count], token="kagimori", serial="0123456789abcdef")


def words_of(*shares: Share) -> list[str]:
    return [share.words for share in shares]


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(2, 6), st.sampled_from([16, 32]))
def test_any_quorum_gives_the_secret_and_no_smaller_group_does(data: st.DataObject, count: int, size: int) -> None:
    threshold = data.draw(st.integers(2, count))
    secret = data.draw(st.binary(min_size=size, max_size=size))
    shares = dealt(threshold, count, secret)
    pinshares.require_secret(shares, secret)
    for group in combinations(shares, threshold):
        order = data.draw(st.permutations(group))
        assert pinshares.combine(words_of(*order)) == secret
        assert combine_mnemonics(words_of(*order)) == secret, "the library alone, without us, gives it as well"
    for group in combinations(shares, threshold - 1):
        with pytest.raises(ShareRefused, match=f"{threshold} shares are needed, {threshold - 1} given"):
            pinshares.combine(words_of(*group))
    assert pinshares.combine(words_of(*shares)) == secret, "more than needed must agree"
    for share in shares:
        assert pinshares.parse(pinshares.render(share)) == share
        assert pinshares.pin_of(secret) not in pinshares.render(share).decode()


def test_sixteen_of_sixteen() -> None:
    assert pinshares.combine(words_of(*dealt(16, 16))) == bytes(range(16))


def test_the_pin_is_base32_of_the_secret() -> None:
    assert pinshares.pin_of(b"kagimori key pin") == "nnqwo2lnn5zgsidlmv4sa4djny"
    assert len(pinshares.pin_of(pinshares.new_secret(256))) == 52
    assert pinshares.new_secret(128) != pinshares.new_secret(128)


def test_a_share_does_not_show_its_words_by_accident() -> None:
    share = dealt()[0]
    assert share.words.split()[5] not in repr(share)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 19), st.integers(1, 1023))
def test_any_altered_word_is_noticed_and_not_quoted(place: int, step: int) -> None:
    share = dealt()[0]
    words = share.words.split()
    words[place] = WORDLIST[(WORDLIST.index(words[place]) + step) % 1024]
    with pytest.raises(ShareRefused) as caught:
        pinshares.require_fitting([" ".join(words)])
    assert caught.value.message == "the checksum does not fit: a word is wrong, or two are in each other's place"
    assert caught.value.hint == "read it again"
    assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_two_words_in_each_others_place_are_noticed() -> None:
    words = dealt()[0].words.split()
    words[6], words[7] = words[7], words[6]
    with pytest.raises(ShareRefused, match="two are in each other's place"):
        pinshares.require_fitting([" ".join(words)])


def test_words_are_taken_by_their_first_four_letters_in_any_case() -> None:
    words = dealt()[0].words
    assert pinshares.normal_words("  " + "  ".join(word[:4].upper() for word in words.split())) == words
    assert pinshares.same_word("ACAD", "academic") and pinshares.same_word(" academic ", "academic")
    assert not pinshares.same_word("acade", "academic") and not pinshares.same_word("", "academic")


def test_a_mistyped_word_is_named_by_its_place_alone() -> None:
    words = dealt()[0].words.split()
    words[2] = "xyzzy"
    with pytest.raises(ShareRefused, match=r"^word 3: not in the list of words") as caught:
        pinshares.normal_words(" ".join(words))
    words[9] = "aca"
    with pytest.raises(ShareRefused, match=r"^words 3, 10: not in the list of words"):
        pinshares.normal_words(" ".join(words))
    assert "xyzzy" not in str(caught.value)


def test_a_word_left_out_is_told() -> None:
    with pytest.raises(ShareRefused, match="19 words: a share has 20"):
        pinshares.normal_words(dealt()[0].words.rsplit(" ", 1)[0])


def test_shares_of_two_splits_are_not_mixed() -> None:
    one, other = dealt(), dealt()
    with pytest.raises(ShareRefused, match="shares of different splits are mixed"):
        pinshares.combine(words_of(one[0], other[1]))


def test_one_share_twice_counts_once() -> None:
    first, second, _ = dealt()
    with pytest.raises(ShareRefused, match="shares 1 and 3 are the same share"):
        pinshares.combine(words_of(first, second, first))


def test_shares_of_something_else_are_refused() -> None:
    ((single,),) = generate_mnemonics(1, [(1, 1)], bytes(16), iteration_exponent=0)
    groups = generate_mnemonics(2, [(2, 2), (2, 2)], bytes(16), iteration_exponent=0)
    for words in (single, groups[0][0]):
        with pytest.raises(ShareRefused, match="not a share of a PIN: it is of another kind"):
            pinshares.combine([words])


def forged(true: Share) -> Share:
    """A sound share that names the same split, but is of another secret."""
    real = Decoded.from_mnemonic(true.words)
    return replace(true, words=replace(real, value=bytes(byte ^ 1 for byte in real.value)).mnemonic())


def test_a_forged_share_is_noticed_even_among_more_than_are_needed() -> None:
    shares = dealt()
    shares[2] = forged(shares[2])
    pinshares.require_fitting(words_of(*shares))
    for group in (shares, shares[1:]):
        with pytest.raises(ShareRefused, match="^the shares do not belong together") as caught:
            pinshares.combine(words_of(*group))
        assert caught.value.__context__ is None
    with pytest.raises(ShareRefused, match="^the shares do not belong together"):
        pinshares.require_secret(shares, bytes(range(16)))


def test_shares_that_give_another_secret_are_noticed_before_anything_is_set() -> None:
    shares = dealt()
    with pytest.raises(ShareRefused, match="the shares do not give the PIN again"):
        pinshares.require_secret(shares, bytes(16))


def shortened(text: str) -> str:
    """As one may type it, but not as it is written."""
    *head, words = text.splitlines()
    return "\n".join([*head, " ".join(word[:4] for word in words.split())]) + "\n"


TEXT = pinshares.render(dealt()[0]).decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "# " + text, "not a PIN share"),
        (lambda text: text.replace("v1", "v2"), "not a PIN share"),
        (lambda text: text.rstrip("\n"), "not a PIN share"),
        (lambda text: text + "\n", "not a PIN share"),
        (lambda text: text.replace("\n", "\r\n"), "not a PIN share"),
        (lambda text: text.replace("for officer-1", "for Officer 1"), "not a PIN share"),
        (lambda text: text.replace(" of 3", " of 03"), "not a PIN share"),
        (lambda text: text.replace("2 of 3", "3 of 3"), "its lines contradict each other"),
        (shortened, "its lines contradict each other"),
    ],
)
def test_a_share_file_is_read_strictly(change: Callable[[str], str], words: str) -> None:
    assert pinshares.parse(TEXT.encode()).officer == "officer-1"
    with pytest.raises(ShareRefused, match=words):
        pinshares.parse(change(TEXT).encode())


def test_a_share_file_that_is_no_text_is_refused() -> None:
    with pytest.raises(ShareRefused, match="not a PIN share"):
        pinshares.parse(b"\xff\xfe")
