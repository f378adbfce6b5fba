"""What a line of the hub's journal says, and how it follows from the one before.

A line names sectors, kinds of things, legal basis, reference and counts; it has no room for a number or a name.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

import msgspec

from appliance.hubkit import exchange
from appliance.hubkit.exchange import ENDED, IllegalMove, State, next_state
from appliance.hubkit.exchangeerrors import Why
from appliance.hubkit.legalbasis import Name, Sector

LONGEST_LINE = 65_536  # bytes
Count = Annotated[int, msgspec.Meta(ge=0)]
Problem = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}\Z")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Places = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{2})+\Z")]
Reference = Annotated[str, msgspec.Meta(pattern=rf"^{exchange.REFERENCE}\Z")]
Key = tuple[str, str]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One move. ``state``: where it led. ``holder``, ``item``, ``purpose``: None when no legal basis knows them.

    ``people``: how many the question was about. ``counts``: how many got what, when something was handed out.
    ``commitment`` (`appliance.hubkit.exchange.commitment`): whom it is about; ``awaited`` (`places_text`): where in
    the question those are whom the holder does not know, None while it is everybody. Both are gone at the end.
    """

    n: Count = 0  # the journal sets it, from 1
    time: datetime
    move: str
    state: State
    asker: Sector
    reference: Reference
    holder: Sector | None
    item: Name | None
    purpose: Name | None
    people: Annotated[int, msgspec.Meta(ge=1)]
    basis: Name | None = None
    until: datetime | None = None
    counts: dict[Problem, Count] = {}
    why: Why | None = None
    commitment: Hash | None = None
    awaited: Places | None = None

    @property
    def key(self) -> Key:
        """Asker and reference: what a question is known by."""
        return self.asker, self.reference


_decoder = msgspec.json.Decoder(Line, strict=True)


def encode(line: Line) -> bytes:
    """The line as it is written, its end included.

    Raises:
        ValueError: it has something that could not be read again.
    """
    data = msgspec.json.encode(line) + b"\n"
    decode(data)
    return data


def decode(data: bytes) -> Line:
    """The line in its bytes.

    Raises:
        ValueError: it is none.
    """
    if len(data) > LONGEST_LINE:
        raise ValueError(f"longer than {LONGEST_LINE} bytes")
    try:
        line = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if line.time.tzinfo is None or (line.until is not None and line.until.tzinfo is None):
        raise ValueError("a time without its zone")
    return line


def moved(line: Line, move: str, now: datetime, **changes: Any) -> Line:
    """The line that a move makes of the question's last one; what has ended commits to nobody any more.

    Raises:
        IllegalMove: the table has no such move.
    """
    state = next_state(move, line.state)
    changes = {"move": move, "state": state, "time": now, "counts": {}, "why": None, **changes}
    if state in ENDED:
        changes |= {"commitment": None, "awaited": None}
    return msgspec.structs.replace(line, **changes)


def check(line: Line, state: State | None) -> State:
    """Where the line's move leads; it must be where the line says.

    Raises:
        IllegalMove: the table has no such move, or it leads elsewhere.
    """
    target = next_state(line.move, state)
    if target is not line.state:
        raise IllegalMove(f"{line.move}: leads to {target}, not to {line.state}")
    return target


def places_text(places: Collection[int], people: int) -> str:
    """Places in a question (from 0) as a bit field in hex: bit ``n % 8`` of byte ``n // 8``."""
    return sum(1 << place for place in set(places)).to_bytes((people + 7) // 8, "little").hex()


def places(text: str | None, people: int) -> list[int]:
    """The places in `places_text`; all of them for None."""
    bits = -1 if text is None else int.from_bytes(bytes.fromhex(text), "little")
    return [place for place in range(people) if bits >> place & 1]
