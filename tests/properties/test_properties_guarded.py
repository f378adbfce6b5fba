"""Whatever one answer of the token is changed into, whenever, a conversion is right or refused."""

from __future__ import annotations

from functools import cache

from guardkit import Ends, Liar, Voice, always, another_key, once
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numberkit import gen, make_converter, make_state, random_codes

from appliance.numbers.domains import Domain
from appliance.numbers.formats import BASE36, DECIMAL, Format

SPIN = Format(BASE36, 11)
TREE = [
    Domain("resident", Format(DECIMAL, 11), None),
    Domain("common", Format(DECIMAL, 11, "individual-number"), "resident"),
    Domain("spin", SPIN, "resident"),
    Domain("sspin.B", SPIN, "spin"),
    Domain("sspin.Dec", Format(DECIMAL, 18), "spin"),
    Domain("sspin.Long", Format(BASE36, 24), "spin"),
    Domain("sspin.Huge", Format(BASE36, 30), "spin"),
]
KEYS = {"common.1": None, "spin.1": None, "tag.1": None}
KEYS |= {f"sspin.{name}": "spin.1" for name in ("B.1", "B.2", "Dec.1", "Long.1", "Huge.1")}
STATE = make_state(KEYS, domains=TREE)
ENDS = (None, *(gen(name) for name in KEYS if name != "tag.1"))
ends = st.tuples(st.sampled_from(ENDS), st.sampled_from(ENDS)).filter(lambda route: route[0] != route[1])
counts = st.sampled_from([1, 2, 5, 12])
changes = st.binary(min_size=1, max_size=48).filter(any)
# A number altered on its way up is somebody's with probability 10**-6 at most: these runs are always the same.
same_each_time = settings(derandomize=True, deadline=None, max_examples=100)


@cache
def voice() -> Voice:
    return Voice(STATE)


@cache
def liar(route: Ends, many: int, damaged: bool) -> Liar:
    """Numbers that exist, and if so one that does not, and one that is none."""
    sound = make_converter(STATE)
    question = sound.convert_lines(None, route[0], random_codes(many)).text
    if damaged:
        last = question.splitlines(keepends=True)[-1]
        question = last[-3:-1] + last[2:-3] + last[:2] + b"\n" + question + b"?\n"
    return Liar(voice(), route, question, sound.convert_lines(*route, question))


@given(ends, counts, st.booleans(), changes, st.data())
@same_each_time
def test_one_answer_changed_anywhere(route: Ends, many: int, damaged: bool, change: bytes, data: st.DataObject) -> None:
    subject = liar(route, many, damaged)
    call = data.draw(st.integers(0, len(subject.sizes) - 1))
    place = data.draw(st.integers(0, subject.sizes[call] - 1))
    assume(any(change[: subject.sizes[call] - place]))
    subject.refusal(once(call, place, change))  # fails if it is answered, and not right


@given(ends, counts, st.booleans(), changes, st.integers(-300, 300))
@same_each_time
def test_every_answer_changed_in_the_same_place(
    route: Ends, many: int, damaged: bool, change: bytes, place: int
) -> None:
    liar(route, many, damaged).refusal(always(place, change))


@given(ends, counts, st.booleans(), st.binary(min_size=32, max_size=32), st.data())
@same_each_time
def test_one_answer_of_another_key(route: Ends, many: int, damaged: bool, key: bytes, data: st.DataObject) -> None:
    subject = liar(route, many, damaged)
    assert subject.refusal(another_key(data.draw(st.integers(0, len(subject.sizes) - 1)), key)) is not None
