"""The engine's self-test: it notices an answer that is wrong, number by number and in columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from numberkit import DEFAULT_KEYS, gen, make_converter, make_state

from appliance.engine import selftest
from appliance.engine.answers import Engine, LogKey
from appliance.engine.converter import FEW_LINES, Converted, Converter
from appliance.engine.envelope import Frame, Kind
from appliance.engine.selftest import SelfTestFailed
from appliance.ledger.fold import LedgerState
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation
from tests.enginekit import one

CURRENT = ("common.1", "spin.1", "sspin.A.1", "sspin.B.1", "sspin.C.2", "sspin.D.1", "sspin.E.1", "sspin.F.1")
Spoil = Callable[[Generation | None, Generation | None, bytes], bytes]


class Watched(Converter):
    """Notes what it is asked; ``spoil`` makes of a right answer another one."""

    spoil: Spoil

    def convert_lines(self, source: Generation | None, target: Generation | None, data: bytes) -> Converted:
        done = super().convert_lines(source, target, data)
        self.asked = [*getattr(self, "asked", []), (source, target, data.count(b"\n"))]
        return Converted(self.spoil(source, target, done.text), done.converted, done.malformed, done.unknown)


def watched(state: LedgerState, spoil: Spoil = lambda source, target, text: text) -> Watched:
    converter = make_converter(state)
    converter.__class__ = Watched
    assert isinstance(converter, Watched)
    converter.spoil = spoil
    return converter


def test_every_current_generation_is_gone_down_to_and_up_from_in_both_ways() -> None:
    state = make_state(DEFAULT_KEYS)
    converter = watched(state)
    selftest.run(state, converter)
    assert converter.asked == [
        way
        for size in (1, FEW_LINES + 1)
        for name in CURRENT
        for way in ((None, gen(name), size), (gen(name), None, size))
    ]


@pytest.mark.parametrize("wrong", CURRENT)
@pytest.mark.parametrize("size", [1, FEW_LINES + 1])
@pytest.mark.parametrize("way", ["down", "up"])
def test_one_wrong_answer_is_noticed(wrong: str, size: int, way: str) -> None:
    def spoil(source: Generation | None, target: Generation | None, text: bytes) -> bytes:
        if text.count(b"\n") != size or (target if way == "down" else source) != gen(wrong):
            return text
        last = bytes([text[-2] ^ 1])  # one digit becomes another one
        return text[:-2] + last + b"\n"

    state = make_state(DEFAULT_KEYS)
    with pytest.raises(SelfTestFailed) as caught:
        selftest.run(state, watched(state, spoil))
    assert caught.value.message == f"self-test: known numbers did not come back from {wrong}"
    assert caught.value.hint == "the token or its module answers wrongly: take it out of service and find out why"


def test_keys_that_encipher_nothing_are_noticed() -> None:
    state = make_state(DEFAULT_KEYS)
    codes: dict[int, bytes] = {}

    def spoil(source: Generation | None, target: Generation | None, text: bytes) -> bytes:
        if source is None:
            codes[text.count(b"\n")] = text
        return b"".join(b"%011d\n" % (selftest.FIRST + number) for number in range(text.count(b"\n")))

    with pytest.raises(SelfTestFailed):
        selftest.run(state, watched(state, spoil))
    assert codes


def test_what_is_suspended_is_left_out() -> None:
    state = make_state(DEFAULT_KEYS, states={"spin.1": KeyState.SUSPENDED})
    converter = watched(state)
    selftest.run(state, converter)
    assert [target for source, target, _ in converter.asked if source is None] == [gen("common.1")] * 2


def no_signature(message: bytes) -> bytes:
    raise AssertionError("nothing is signed here")


@pytest.mark.parametrize("wrong", ["bulk work", "what is for now"])
def test_both_converters_of_an_engine_are_tested(wrong: str) -> None:
    """Of the two, either may be the one whose buffers or keys have gone bad."""
    state = make_state(DEFAULT_KEYS)
    good, bad = watched(state), watched(state, lambda source, target, text: text[::-1])
    two = (bad, good) if wrong == "bulk work" else (good, bad)
    engine = Engine(state, *two, LogKey("here", Path("/nonexistent"), no_signature))
    for test in (engine.test, lambda: engine.reply(Frame(Kind.SELF_TEST, 1, b""))):
        with pytest.raises(SelfTestFailed, match="known numbers did not come back from"):
            test()
    sound = Engine(state, good, watched(state), LogKey("here", Path("/nonexistent"), no_signature))
    assert one(sound.reply(Frame(Kind.SELF_TEST, 7, b""))) == Frame(Kind.TESTED, 7, b"")
