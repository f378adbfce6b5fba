"""Numbering (付番): the numbering authority gives numbers to residents of the register.

The appliance does it, in one stream: resident codes go in, numbers of the wanted domain come out in the same
order, and each is put beside the four attributes it belongs to. The national ID (国民ID, sPIN) on the way
to a sector's number exists only inside the appliance's engine: the authority never sees one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from appliance.hubkit.client import Client
from appliance.hubkit.register import FourAttributes, Resident
from appliance.hubkit.wire import Result


@dataclass(frozen=True, slots=True)
class Numbered:
    """A resident's attributes and the number made from their code (or why there is none).

    ``generation`` is the key generation that made it; the resident code is not in here any more.
    """

    attributes: FourAttributes
    result: Result
    generation: str


def number_residents(
    client: Client, residents: Iterable[Resident], target: str, *, purpose: str, reference: str
) -> Iterator[Numbered]:
    """Numbers of the target domain (``common``, ``sspin.C``) for any amount of residents, in their order.

    Memory holds only the residents that are on their way.

    Raises:
        Refused, StreamBroken, …: as `Client.convert_stream`. RegisterError: if ``residents`` does.
    """
    on_their_way: deque[FourAttributes] = deque()

    def codes() -> Iterator[str]:
        for resident in residents:
            on_their_way.append(resident.attributes)
            yield resident.code

    with client.convert_stream("resident", target, codes(), purpose=purpose, reference=reference) as stream:
        for result in stream:
            yield Numbered(on_their_way.popleft(), result, stream.target)
