"""Ciphertext that is altered, or comes from another key, never becomes an answer or a tag: at every place it can be."""

from __future__ import annotations

from functools import cache
from itertools import count
from pathlib import Path

import pytest
from guardkit import MESSAGES, NOTICED, Ends, Liar, Voice, always, another_key, changed, once
from numberkit import gen, key_of, make_converter, make_state, random_codes, software_aes

from appliance.engine.converter import FEW_LINES, Converter
from appliance.engine.edges import SPARSE, doubled_rounds
from appliance.engine.link import Link
from appliance.engine.process import _failed
from appliance.errors import KagimoriError
from appliance.ledger.fold import KeyRecord
from appliance.numbers.aes import BLOCK, CiphertextAltered, EncryptBlocks
from appliance.numbers.domains import Domain
from appliance.numbers.ff1 import ROUNDS
from appliance.numbers.formats import BASE36, DECIMAL, Format
from appliance.token.errors import AnotherKeyAnswered
from tests.daemonkit import codes
from tests.enginekit import conversion, lines, meddle_with_engines, with_engine
from tests.world import World

RESIDENT, SPIN = Format(DECIMAL, 11), Format(BASE36, 11)
TREE = [
    Domain("resident", RESIDENT, None),
    Domain("common", Format(DECIMAL, 11, "individual-number"), "resident"),
    Domain("spin", SPIN, "resident"),
    Domain("sspin.B", SPIN, "spin"),
    Domain("sspin.E", SPIN, "spin"),
    Domain("sspin.Huge", Format(BASE36, 30), "spin"),  # halves of 77 bits: no arrays
    Domain("sspin.Vast", Format(BASE36, 44), "spin"),  # halves above 96 bits: the general way of FF1
]
KEYS: dict[str, str | None] = {"common.1": None, "spin.1": None, "tag.1": None}
KEYS |= {f"sspin.{sector}.1": "spin.1" for sector in ("B", "E", "Huge", "Vast")}
STATE = make_state(KEYS, domains=TREE)
B, E, COMMON = gen("sspin.B.1"), gen("sspin.E.1"), gen("common.1")
SINGLY, IN_COLUMNS = 1, FEW_LINES + 2
ROUTES: list[Ends] = [
    (B, E),
    (B, COMMON),
    (B, None),
    (COMMON, B),
    (COMMON, None),
    (None, B),
    (gen("sspin.Huge.1"), E),
    (E, gen("sspin.Vast.1")),
    (gen("sspin.Vast.1"), None),
]
LOWEST_BIT = b"\x01"
END_OF_Y = 7  # y is the first eight bytes of a block in these formats: its lowest bit changes a number's half by one
ROUTED = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0] or 'resident'} to {route[1]}")
MANY = pytest.mark.parametrize("many", [SINGLY, IN_COLUMNS], ids=["singly", "in columns"])


@cache
def voice() -> Voice:
    return Voice(STATE)


@cache
def liar(route: Ends, many: int) -> Liar:
    source, target = route
    sound = make_converter(STATE)
    question = sound.convert_lines(None, source, random_codes(many)).text
    right = sound.convert_lines(source, target, question)
    assert right.converted == many == len(right.tags) // BLOCK
    return Liar(voice(), route, question, right)


def place_of_a_bit_that_counts(route: Ends) -> int:
    """Formats with more than eight bytes of y have its end elsewhere; there, its first byte does as well."""
    return 0 if any("Huge" in str(end) or "Vast" in str(end) for end in route) else END_OF_Y


@ROUTED
@MANY
def test_one_bit_of_any_block_of_any_call_is_noticed(route: Ends, many: int) -> None:
    """Exhaustive: every block of every call that the conversion makes."""
    place, seen = place_of_a_bit_that_counts(route), set()
    for call, size in enumerate(liar(route, many).sizes):
        for start in range(place, size, BLOCK):
            error = liar(route, many).refusal(once(call, start, LOWEST_BIT))
            assert error is not None, (call, start)
            assert error.message == MESSAGES[type(error)]
            assert "must be taken out of use" in str(error.hint)
            seen.add(type(error))
    assert seen == set(NOTICED)


@ROUTED
@MANY
def test_any_call_that_another_key_answers_is_noticed(route: Ends, many: int) -> None:
    for call in range(len(liar(route, many).sizes)):
        error = liar(route, many).refusal(another_key(call, b"another key of thirty-two bytes."))
        assert type(error) is AnotherKeyAnswered
        assert error.message == MESSAGES[AnotherKeyAnswered]


@MANY
def test_what_is_done_to_the_same_place_of_every_answer_is_noticed(many: int) -> None:
    """A token that is broken for good: the second answer has other blocks in that place."""
    longest = max(liar((B, E), many).sizes)
    for place in range(-longest, longest):
        assert liar((B, E), many).refusal(always(place, LOWEST_BIT)) is not None, place


@MANY
def test_an_altered_wrong_number_is_no_unknown_number_before_two_climbs_agree(many: int) -> None:
    """The first climb finds nobody, since its block was altered; the second one finds the person."""
    found = [liar((B, E), many).refusal(once(call, BLOCK + END_OF_Y, LOWEST_BIT)) for call in range(19)]
    assert all(type(error) is CiphertextAltered for error in found)


def test_numbers_that_are_nobodys_climb_again_and_only_they_do() -> None:
    """In blocks, B to E: 43 a number (20 up, its last round again, 2 x 10 down, 2 for the tag); nobody's, 2 x 20 more.

    In columns it goes down as well, as some number, and has no tag.
    """
    good = make_converter(STATE).convert_lines(None, B, random_codes(40)).text
    nobodys = b"ABC98765XYZ\n"
    assert blocks_asked(good) == 43 * 40
    assert blocks_asked(good + nobodys + b"bad\n" + nobodys) == 43 * 40 + 2 * (41 + 40) + 41
    assert blocks_asked(nobodys) == 21 + 40
    assert blocks_asked(b"bad\n") == 0


def blocks_asked(question: bytes) -> int:
    """Of all keys, canaries not counted (one a call)."""
    sizes = Liar(voice(), (B, E), question, make_converter(STATE).convert_lines(B, E, question)).sizes
    return sum(sizes) // BLOCK - len(sizes)


@pytest.mark.parametrize(
    ("child", "parent", "rounds"),
    [
        (SPIN, SPIN, 0),  # what is wrong is deciphered once more, and found at the root
        (SPIN, RESIDENT, 1),
        (RESIDENT, RESIDENT, ROUNDS),
        (Format(DECIMAL, 17), RESIDENT, ROUNDS),  # a million times as large as the root: one in a million is too many
        (Format(DECIMAL, 18), RESIDENT, 1),
        (SPIN, Format(DECIMAL, 12), 1),  # found here, or not at all: ten in a hundred are somebody's
        (Format(BASE36, 44), SPIN, 0),
    ],
)
def test_where_the_verification_at_the_root_does_not_suffice(child: Format, parent: Format, rounds: int) -> None:
    assert doubled_rounds(child, parent, RESIDENT) == rounds
    assert SPARSE * RESIDENT.size <= SPIN.size


def test_constants_that_serve_every_number_are_asked_twice() -> None:
    """What a key enciphers before the first number, for all of them, would be wrong for as long as the engine lives."""
    made = opened_with(-1)
    assert made >= 2 * (len(KEYS) - 1), "of every key of a domain, for one number and for many"
    for call in range(made):
        with pytest.raises(CiphertextAltered, match="answered the same blocks in two ways"):
            opened_with(call)


def opened_with(altered: int) -> int:
    """Make a converter whose keys alter their answer to one call; how many calls it took."""
    calls = count()

    def encryptor(record: KeyRecord) -> EncryptBlocks:
        aes = software_aes(key_of(record.generation))
        return lambda blocks: changed(aes(blocks), 0, LOWEST_BIT) if next(calls) == altered else aes(blocks)

    Converter(STATE, encryptor)
    return next(calls)


def test_the_engine_ends_for_it_and_another_one_takes_its_place() -> None:
    """The daemon replaces an engine whose last words have this reason, and puts back what it was at."""
    for error in (CiphertextAltered(), AnotherKeyAnswered("another key answered", "a hint")):
        last = _failed(error)
        assert (last.reason, last.exit_code, last.message, last.hint) == ("token", 5, error.message, error.hint)


@pytest.mark.parametrize(("word", "kind", "many"), [("alter", CiphertextAltered, 300), ("swap", AnotherKeyAnswered, 1)])
def test_a_real_engine_ends_with_these_words_and_answers_nothing(
    small: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, kind: type[KagimoriError], many: int
) -> None:
    told = tmp_path / "told"
    meddle_with_engines(monkeypatch, told)

    async def work(engine: Link) -> None:
        people = codes(many)
        numbers = await lines(engine, "resident", "sspin.A.1", people)
        others = await lines(engine, "sspin.A.1", "sspin.B.1", numbers)
        assert others == await lines(engine, "resident", "sspin.B.1", people)
        told.write_text(word, "ascii")
        question = conversion("sspin.B.1", "sspin.A.1", others)
        engine.send(question)
        assert await engine.wait_end() == MESSAGES[kind]
        assert not question.outcome.done(), "it is the daemon's to have it done by another engine"
        assert engine.failure is not None
        assert (engine.failure.reason, engine.failure.exit_code) == ("token", 5)
        assert not told.exists()

    with_engine(small, work, monkeypatch, deadline=20.0)
