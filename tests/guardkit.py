"""Tokens that lie: a software AES behind real `BlockStream`s whose answers are changed on the way, call by call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

from numberkit import key_of, software_aes

from appliance.engine.converter import Converted, Converter
from appliance.engine.frames import MAX_LINES_NOW
from appliance.errors import KagimoriError
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.numbers.aes import CiphertextAltered
from appliance.numbers.domains import Generation
from appliance.token.errors import AnotherKeyAnswered
from appliance.token.guard import OWNER
from appliance.token.stream import BlockStream

Fault = Callable[["Lies", bytes, bytes], bytes]
"""What the module says instead: of a call's question and its right answer, the answer it gives."""

Ends = tuple[Generation | None, Generation | None]
NOTICED = (CiphertextAltered, AnotherKeyAnswered)


class Lies:
    """What all operations of a converter have answered: ``sizes`` in bytes, call by call; and the fault from now on."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.fault: Fault | None = None

    @property
    def call(self) -> int:
        """Which call this is since `begin`, from 0."""
        return len(self.sizes) - 1

    def begin(self, fault: Fault | None = None) -> None:
        """Count from here, and lie like this."""
        self.sizes.clear()
        self.fault = fault

    def told(self, asked: bytes, answer: bytes) -> bytes:
        self.sizes.append(len(answer))
        return answer if self.fault is None else self.fault(self, asked, answer)


class SoftwareOperation:
    """In place of `appliance.token.calls.Operation`."""

    def __init__(self, key: bytes, lies: Lies) -> None:
        OWNER.claim()  # as opening a token does
        self._aes = software_aes(key)
        self._lies = lies

    def update(self, source: Any, target: Any, size: ctypes.c_ulong) -> int:
        asked = ctypes.string_at(source, size.value)
        answer = self._lies.told(asked, self._aes(asked))
        ctypes.memmove(target, answer, min(len(answer), size.value))
        return len(answer)

    def end(self) -> None:
        pass


class Voice:
    """Two converters over software operations behind real streams, and what they all are told to say.

    As in an engine, ``quick`` works over the same streams in the middle of what ``converter`` does: ``between`` is
    called where that may be interrupted.
    """

    def __init__(self, state: LedgerState) -> None:
        self.lies = Lies()
        self.between: Callable[[], None] = lambda: None
        self._streams: dict[Generation, tuple[BlockStream, SoftwareOperation]] = {}
        self.converter = Converter(state, self._stream, between=self._interrupted)
        self.quick = Converter(state, self._stream, chunk=MAX_LINES_NOW)

    def _interrupted(self) -> None:
        self.between()

    def _stream(self, record: KeyRecord) -> BlockStream:
        if record.generation not in self._streams:
            operation = SoftwareOperation(key_of(record.generation), self.lies)
            self._streams[record.generation] = BlockStream(operation), operation
        return self._streams[record.generation][0]

    def begin(self, fault: Fault | None) -> None:
        """In place of another engine: what was closed for good works once more, as when it was new."""
        for stream, operation in self._streams.values():
            stream._operation, stream._behind = operation, False
        self.lies.begin(fault)


class Liar:
    """One question, and what must be answered. ``sizes``: of all answers of the token to it, in bytes, call by call."""

    def __init__(self, voice: Voice, ends: Ends, question: bytes, right: Converted) -> None:
        self._voice = voice
        self._ask = lambda: voice.converter.convert_lines(*ends, question)
        self._right = right
        assert self.refusal(None) is None
        self.sizes = tuple(voice.lies.sizes)

    def refusal(self, fault: Fault | None) -> KagimoriError | None:
        """What the question is refused with under a fault; None: it is answered, and right. Anything else fails."""
        self._voice.begin(fault)
        try:
            assert self._ask() == self._right
        except NOTICED as error:
            assert isinstance(error, KagimoriError)
            return error
        return None


def once(call: int, place: int, change: bytes) -> Fault:
    """In one call, ``change`` is XORed into the answer from a byte on."""
    return lambda lies, asked, answer: changed(answer, place, change) if lies.call == call else answer


def always(place: int, change: bytes) -> Fault:
    """In every call; ``place`` is counted from the end if it is negative, and goes round if the answer is shorter."""
    return lambda lies, asked, answer: changed(answer, place % len(answer), change)


def another_key(call: int, key: bytes) -> Fault:
    """One call is answered by another key."""
    aes = software_aes(key)
    return lambda lies, asked, answer: aes(asked) if lies.call == call else answer


def changed(answer: bytes, place: int, change: bytes) -> bytes:
    """The answer with ``change`` XORed in; what would lie behind its end is left out."""
    touched = bytes(one ^ other for one, other in zip(answer[place:], change, strict=False))
    return answer[:place] + touched + answer[place + len(touched) :]


MESSAGES: Mapping[type[KagimoriError], str] = {
    CiphertextAltered: "the token altered ciphertext: it answered the same blocks in two ways",
    AnotherKeyAnswered: "encrypt blocks: another key answered, or the token altered ciphertext: "
    "the check block came back another",
}
