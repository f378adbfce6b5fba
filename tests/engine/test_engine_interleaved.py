"""Conversions in the middle of another one, over the same keys: both are right, or refused, as each by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count, cycle

import pytest
from guardkit import MESSAGES, NOTICED, Ends, Fault, Voice, always, another_key, once
from hypothesis import given, settings
from hypothesis import strategies as st
from numberkit import gen, make_converter, make_state, random_codes

from appliance.engine.converter import FEW_LINES, Converted
from appliance.engine.frames import MAX_LINES, MAX_LINES_NOW
from appliance.engine.singles import Status, Tagged
from appliance.errors import KagimoriError
from appliance.numbers.aes import BLOCK
from appliance.numbers.domains import Domain
from appliance.numbers.formats import BASE36, DECIMAL, Format
from appliance.token.stream import CHECK_BLOCK

SPIN = Format(BASE36, 11)
TREE = [
    Domain("resident", Format(DECIMAL, 11), None),
    Domain("common", Format(DECIMAL, 11, "individual-number"), "resident"),
    Domain("spin", SPIN, "resident"),
    Domain("sspin.B", SPIN, "spin"),
    Domain("sspin.E", SPIN, "spin"),
    Domain("sspin.Huge", Format(BASE36, 30), "spin"),  # halves of 77 bits: number by number
]
KEYS: dict[str, str | None] = {"common.1": None, "spin.1": None, "tag.1": None}
KEYS |= {f"sspin.{sector}.1": "spin.1" for sector in ("B", "E", "Huge")}
STATE = make_state(KEYS, domains=TREE)
B, E, COMMON, HUGE = (gen(f"{name}.1") for name in ("sspin.B", "sspin.E", "common", "sspin.Huge"))
ROUNDS = 10
ENDS = (None, COMMON, gen("spin.1"), B, E, HUGE)
routes = st.tuples(st.sampled_from(ENDS), st.sampled_from(ENDS)).filter(lambda route: route[0] != route[1])
sizes = st.sampled_from([1, FEW_LINES, FEW_LINES + 1, 13, 40])
Asked = tuple[Ends, int, bool]
asked = st.tuples(routes, sizes, st.booleans())
same_each_time = settings(derandomize=True, deadline=None, max_examples=80)


@cache
def question(asked: Asked) -> tuple[Ends, bytes, Converted]:
    """Ends, lines and the right answer; ``damaged``: with one that is nobody's, and one that is none, in front."""
    ends, many, damaged = asked
    sound = make_converter(STATE)
    lines = sound.convert_lines(None, ends[0], random_codes(many, seed=many)).text
    if damaged:
        last = lines.splitlines(keepends=True)[-1]
        lines = last[-3:-1] + last[2:-3] + last[:2] + b"\n" + lines + b"?\n"
    return ends, lines, sound.convert_lines(*ends, lines)


@cache
def voice() -> Voice:
    return Voice(STATE)


def both(outer: Asked, inner: Iterator[Asked], fault: Fault | None = None) -> int:
    """Convert one with the others in its middle, each of them right; how often it was interrupted."""
    subject, interrupted = voice(), count()
    ends, lines, right = question(outer)

    def between() -> None:
        one = next(inner, None)
        if one is not None:
            small_ends, small_lines, small_right = question(one)
            next(interrupted)
            assert subject.quick.convert_lines(*small_ends, small_lines) == small_right

    subject.between = between
    try:
        subject.begin(fault)
        assert subject.converter.convert_lines(*ends, lines) == right
    finally:
        subject.between = lambda: None
    return next(interrupted)


@given(asked, st.lists(asked, min_size=1, max_size=30))
@same_each_time
def test_whatever_is_asked_in_the_middle_of_whatever(outer: Asked, inner: list[Asked]) -> None:
    both(outer, iter(inner))


@pytest.mark.parametrize("small", [1, FEW_LINES + 1, MAX_LINES_NOW])
def test_the_largest_with_small_ones_at_every_place(small: int) -> None:
    """Up through two keys and down through one; the small ones use the same, in either direction."""
    inner = cycle([((E, B), small, False), ((B, E), small, True), ((COMMON, B), small, False)])
    assert both(((B, E), MAX_LINES, False), inner) == 3 * ROUNDS
    assert both(((B, E), MAX_LINES - 2, True), inner) == 5 * ROUNDS, "also where what is nobody's climbs again"


def test_what_goes_number_by_number_is_interrupted_after_each() -> None:
    for outer in (((HUGE, B), 40, False), ((B, HUGE), 40, False), ((B, E), FEW_LINES, False)):
        assert both(outer, cycle([((E, B), 13, False), ((HUGE, None), 3, False)])) == outer[1]


def test_whoever_is_looked_up_in_the_middle_is_found() -> None:
    subject, (_, line, right) = voice(), question(((B, None), 1, False))
    tagged: list[Tagged] = []
    for outer in (((B, E), 40, True), ((HUGE, B), 6, True)):
        ends, lines, whole = question(outer)
        subject.begin(None)
        subject.between = lambda: tagged.append(subject.quick.tags_of(B, line))
        try:
            assert subject.converter.convert_lines(*ends, lines) == whole
        finally:
            subject.between = lambda: None
    assert set(tagged) == {Tagged(Status.OK, (right.tags,))}


# --- a token that alters what it answers -----------------------------------------------------------


def refusal(outer: Asked, inner: Sequence[Asked], fault: Fault) -> KagimoriError | None:
    """As `guardkit.Liar.refusal`, of all of it together: whoever is answered in the middle is answered right, too."""
    try:
        both(outer, iter(inner), fault)
    except NOTICED as error:
        assert isinstance(error, KagimoriError)
        return error
    return None


def calls(outer: Asked, inner: Sequence[Asked]) -> list[int]:
    """How many bytes each call answers."""
    both(outer, iter(inner))
    return list(voice().lies.sizes)


changes = st.binary(min_size=1, max_size=48).filter(any)
some = st.lists(asked, min_size=1, max_size=12)


@given(asked, some, changes, st.data())
@same_each_time
def test_one_answer_changed_anywhere_never_is_a_wrong_number(
    outer: Asked, inner: list[Asked], change: bytes, data: st.DataObject
) -> None:
    made = calls(outer, inner)
    call = data.draw(st.integers(0, len(made) - 1))
    refusal(outer, inner, once(call, data.draw(st.integers(0, made[call] - 1)), change))


@given(asked, some, st.binary(min_size=32, max_size=32), st.data())
@same_each_time
def test_one_answer_of_another_key_is_noticed(
    outer: Asked, inner: list[Asked], key: bytes, data: st.DataObject
) -> None:
    call = data.draw(st.integers(0, len(calls(outer, inner)) - 1))
    assert refusal(outer, inner, another_key(call, key)) is not None


@given(asked, some, changes, st.integers(-300, 300))
@same_each_time
def test_every_answer_changed_in_the_same_place_never_is_a_wrong_number(
    outer: Asked, inner: list[Asked], change: bytes, place: int
) -> None:
    refusal(outer, inner, always(place, change))


def test_one_bit_of_any_call_of_either_is_noticed() -> None:
    """The lowest bit of a number's half, in the block of the second number; all calls of both conversions."""
    outer, inner = ((B, E), 6, False), [((E, B), 5, False), ((B, E), 1, False)] * 3
    for call, size in enumerate(calls(outer, inner)):
        error = refusal(outer, inner, once(call, size // 2 // BLOCK * BLOCK + 7, b"\x01"))
        assert error is not None, call
        assert error.message == MESSAGES[type(error)]


def test_the_known_block_stands_elsewhere_when_many_are_asked_again_also_after_an_interruption() -> None:
    """What is interrupted may have made an odd number of calls with the same key, or an even one."""
    seen: list[bytes] = []

    def listen(_: object, asked: bytes, answer: bytes) -> bytes:
        seen.append(asked)
        return answer

    for inner in (1, FEW_LINES + 1), (1, 1, 1), (FEW_LINES + 1,), (FEW_LINES + 1, FEW_LINES + 1):
        small = cycle([((E, B), many, False) for many in inner])
        seen.clear()
        both(((B, E), 40, False), small, listen)
        pairs = list(_asked_again([asked for asked in seen if len(asked) == 41 * BLOCK]))
        assert len(pairs) == 1 + ROUNDS + 1, "the last round up, ten down, and the tags"
        assert all(places == {"ahead", "behind"} for places in pairs)


def _asked_again(seen: Sequence[bytes]) -> Iterator[set[str]]:
    """Where the known block stood in each two calls in a row that ask the same blocks besides."""

    def split(asked: bytes) -> tuple[str, bytes]:
        if asked.startswith(CHECK_BLOCK):
            return "ahead", asked[BLOCK:]
        return "behind", asked.removesuffix(CHECK_BLOCK)

    for (place, blocks), (again, same) in zip(map(split, seen), map(split, seen[1:]), strict=False):
        if blocks == same:
            yield {place, again}
