"""What the process that carries a rehearsal out tells the one that started it: a line of JSON each."""

from __future__ import annotations

import msgspec

CHECK = "check"
"""The argument with which the process only looks at the module."""


class Began(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="began"):
    """An entry begins."""

    entry: int


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="step"):
    """An action, or a step of it on a token, in words."""

    text: str


class Finished(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="finished"):
    """Every entry was carried out; the rehearsal's trust anchor."""

    anchor: str


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    """It ends here. ``name`` is that of the error; ``entry`` 0: before the first one began."""

    entry: int
    name: str
    message: str
    hint: str | None


Event = Began | Step | Finished | Failed
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> str:
    """An event as its line."""
    return msgspec.json.encode(event).decode("utf-8")


def decode(line: str) -> Event:
    """An event from its line.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _DECODER.decode(line)
