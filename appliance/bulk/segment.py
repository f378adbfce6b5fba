"""What becomes of each row of one segment: converted, re-keyed with a round trip, or counted by generation.

Nothing here knows a socket, a file or a format: ``ask`` answers lines with lines, and a batch is rows of a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from appliance.bulk import lines
from appliance.bulk.asking import Ask
from appliance.bulk.errors import RoundTripFailed
from appliance.bulk.lines import Codes, Mask
from appliance.bulk.tables.table import Batch


class Outcome(IntEnum):
    """What became of a row. Rows up to `KEPT` are written; a census adds one outcome for each generation."""

    CONVERTED = 0
    KEPT = 1
    EMPTY = 2
    WRONG_COLUMNS = 3
    MALFORMED_NUMBER = 4
    UNKNOWN_NUMBER = 5
    ALREADY_CURRENT = 6
    AMBIGUOUS = 7
    FIRST_GENERATION = 16


@dataclass(frozen=True)
class Segment:
    """A batch and its outcomes, ``uint8[count]``; ``answers``: one line a row, the new number where it is converted."""

    batch: Batch
    outcome: Codes
    answers: bytes = b""

    @property
    def keep(self) -> Mask:
        """Rows that are written."""
        return self.outcome <= Outcome.KEPT


Work = Callable[[Batch], Segment]
_BY_CODE = np.array([Outcome.CONVERTED, Outcome.MALFORMED_NUMBER, Outcome.UNKNOWN_NUMBER], np.uint8)


def convert(batch: Batch, ask: Ask, source: str, target: str, *, keep_empty: bool) -> Segment:
    """Every number of a batch from source to target.

    Raises:
        ProtocolError: an answer that does not fit. Otherwise what ``ask`` raises.
    """
    outcome, asked = _unasked(batch, keep_empty)
    answers, codes = _asked(ask, source, target, lines.choose(batch.lines, asked), asked)
    outcome[asked] = _BY_CODE[codes]
    return Segment(batch, outcome, lines.place(batch.count, (asked, answers)))


def rekey(batch: Batch, ask: Ask, old: str, new: str, *, keep_empty: bool) -> Segment:
    """Every number from the old generation to the new, each asked back before anything is written.

    What the old generation does not know is asked whether it is the new one's already. Where a segment has such rows,
    the file is mixed, and every number of it that passes as both is set aside: nobody can tell which it is.

    Raises:
        RoundTripFailed: a number did not come back as itself.
        ProtocolError: an answer that does not fit. Otherwise what ``ask`` raises.
    """
    outcome, asked = _unasked(batch, keep_empty)
    numbers = lines.choose(batch.lines, asked)
    answers, codes = _asked(ask, old, new, numbers, asked)
    outcome[asked] = _BY_CODE[codes]
    good, strange = codes == lines.CONVERTED, codes == lines.UNKNOWN
    back = ask(new, old, lines.choose(answers, good) + lines.choose(numbers, strange))
    sent = lines.choose(numbers, good)
    if not back.startswith(sent):
        raise _not_itself(batch, np.flatnonzero(asked)[good], sent, back)
    already = _passing(back[len(sent) :], strange)
    if already.any():
        both = good & _passing(ask(new, old, sent), good)
        outcome[asked] = np.where(already, Outcome.ALREADY_CURRENT, np.where(both, Outcome.AMBIGUOUS, outcome[asked]))
    return Segment(batch, outcome, lines.place(batch.count, (asked, answers)))


def census(batch: Batch, ask: Ask, generations: Sequence[str], current: str) -> Segment:
    """Which generation each number is of: the first of the given that knows it.

    Raises:
        ProtocolError: an answer that does not fit. Otherwise what ``ask`` raises.
    """
    outcome, left = _unasked(batch, keep_empty=False)
    for place, generation in enumerate(generations):
        _, codes = _asked(ask, generation, current, lines.choose(batch.lines, left), left)
        by_code = _BY_CODE.copy()
        by_code[lines.CONVERTED] = Outcome.FIRST_GENERATION + place
        outcome[left] = by_code[codes]
        left = outcome == Outcome.UNKNOWN_NUMBER
    return Segment(batch, outcome)


def _unasked(batch: Batch, keep_empty: bool) -> tuple[Codes, Mask]:
    """Outcomes of the rows that hold nothing to ask about, and the mask of the others."""
    outcome = np.full(batch.count, Outcome.CONVERTED, np.uint8)
    outcome[batch.empty] = Outcome.KEPT if keep_empty else Outcome.EMPTY
    outcome[batch.broken] = Outcome.WRONG_COLUMNS
    return outcome, outcome == Outcome.CONVERTED


def _asked(ask: Ask, source: str, target: str, numbers: bytes, mask: Mask) -> tuple[bytes, Codes]:
    answers = ask(source, target, numbers)
    return answers, lines.failures(answers, int(np.count_nonzero(mask)))


def _passing(answers: bytes, mask: Mask) -> Mask:
    """Which rows of the mask were converted; ``answers`` are theirs, in order."""
    passing = np.zeros(len(mask), np.bool_)
    passing[mask] = lines.failures(answers, int(np.count_nonzero(mask))) == lines.CONVERTED
    return passing


def _not_itself(batch: Batch, rows: lines.Rows, sent: bytes, back: bytes) -> RoundTripFailed:
    row = batch.first + 1 + int(rows[lines.differing(sent, back[: len(sent)]) or 0])
    return RoundTripFailed(
        f"row {row}: the number did not come back as itself; the job stopped, and nothing of this segment was written",
        "do not use what this appliance has converted until its keys have been checked (keyceremony inventory)",
    )
