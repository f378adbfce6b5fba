"""Who in the register is meant by each of those asked for: matched, ambiguous or not found, never a silent guess.

The register is read once, in pieces; a piece becomes columns of numbers, which are held against everybody asked for. So
memory grows with who is asked for, not with the register.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TypeVar

import numpy as np

from appliance.matching import evidence, names, reading
from appliance.matching.attributes import FourAttributes
from appliance.matching.blocking import Index
from appliance.matching.columns import DTYPE, Record
from appliance.matching.deciding import decide
from appliance.matching.decision import Decision
from appliance.matching.pairs import Kept, Pairs
from appliance.matching.rarity import Rarity

T = TypeVar("T")


def match(
    asked: Sequence[FourAttributes],
    register: Iterable[tuple[FourAttributes, T]],
    *,
    progress: Callable[[int], None] | None = None,
    processes: int | None = None,
) -> list[Decision[T]]:
    """One decision for each of ``asked``, in order.

    Args:
        asked: whom somebody asks for.
        register: every resident, each with what the caller wants back; read once.
        progress: is told how many residents have been looked at.
        processes: how many read records besides this one; None: as many as there are cores, 1: none. They are started
            anew (spawn), for more than `reading.PIECE` records: a program that calls this needs an import guard.

    Raises:
        MatchingStopped: one of the processes ended. Whatever ``register`` raises.
    """
    with reading.reader(processes) as reader:
        everybody = np.concatenate([np.zeros(0, DTYPE), *(piece for _, piece in reader.pieces(asked, _record))])
        index, rarity, kept = Index(everybody), Rarity(everybody), Kept[T](len(asked))
        line = 0
        for rows, residents in reader.pieces(register, lambda row: _record(row[0])):
            rarity.count(residents)
            places, others = index.pairs(residents)
            codes = evidence.compare(everybody[places], residents[others])
            for pair in np.flatnonzero(evidence.needs_reading(codes)).tolist():
                both = names.read(asked[places[pair]].name), names.read(rows[others[pair]][0].name)
                codes[pair] = evidence.read_names(codes[pair], *both)
            kept.add(Pairs(places, others + line, codes), line, [wanted for _, wanted in rows])
            line += len(rows)
            if progress is not None:
                progress(line)
    return decide(*kept.done(), everybody, rarity)


_record: Callable[[FourAttributes], Record] = attrgetter("name", "address", "birth_date", "sex")
