"""Lines of a whole segment at once: counted, chosen, put together, and their failures found, without Python per line.

``lines`` are bytes, every line ended by a newline; masks and codes have one entry a line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.hubkit.errors import ProtocolError
from appliance.numbers.newlines import count_lines

Mask = NDArray[np.bool_]
Codes = NDArray[np.uint8]
Rows = NDArray[np.intp]

CONVERTED, MALFORMED, UNKNOWN = 0, 1, 2
_FAILURES = {MALFORMED: b"!malformed_number\n", UNKNOWN: b"!unknown_number\n"}
_NEWLINE = 10


def lengths(lines: bytes) -> NDArray[np.intp]:
    """Bytes of each line, its newline counted: ``intp[n]``."""
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == _NEWLINE) + 1
    return np.diff(ends, prepend=0)


def choose(lines: bytes, mask: Mask) -> bytes:
    """The lines whose entry is True, in their order."""
    if mask.all():
        return lines
    raw = np.frombuffer(lines, np.uint8)
    return raw[np.repeat(mask, lengths(lines))].tobytes()


def place(count: int, *parts: tuple[Mask, bytes]) -> bytes:
    """One line for each of ``count`` rows: those of a part where its mask is True, in order; empty where none is.

    No two masks may be True for the same row.
    """
    if len(parts) == 1 and parts[0][0].all():
        return parts[0][1]
    sizes = np.ones(count, np.intp)
    for mask, lines in parts:
        sizes[mask] = lengths(lines)
    out = np.full(sizes.sum(), _NEWLINE, np.uint8)
    for mask, lines in parts:
        out[np.repeat(mask, sizes)] = np.frombuffer(lines, np.uint8)
    return out.tobytes()


def failures(answers: bytes, count: int) -> Codes:
    """Which of the answers are numbers (`CONVERTED`), and which failed how: ``uint8[count]``.

    Raises:
        ProtocolError: another number of lines, or a failure of an unknown kind.
    """
    codes = np.zeros(count, np.uint8)
    if b"!" not in answers:
        _check_count(count_lines(answers), count)
        return codes
    raw, sizes = np.frombuffer(answers, np.uint8), lengths(answers)
    _check_count(len(sizes), count)
    starts = np.cumsum(sizes) - sizes
    failed = raw[starts] == ord("!")
    for code, text in _FAILURES.items():
        codes[_equal(raw, starts, failed & (sizes == len(text)), text)] = code
    if np.count_nonzero(codes) != np.count_nonzero(failed):
        raise ProtocolError("a number failed in a way that is not known", "are daemon and command of one version?")
    return codes


def _equal(raw: NDArray[np.uint8], starts: NDArray[np.intp], candidates: Mask, text: bytes) -> NDArray[np.intp]:
    """The places of the candidates whose line is ``text``."""
    places = np.flatnonzero(candidates)
    if not len(places):
        return places
    windows = np.lib.stride_tricks.sliding_window_view(raw, len(text))[starts[places]]
    same: Mask = (windows == np.frombuffer(text, np.uint8)).all(axis=1)
    return places[same]


def _check_count(there: int, wanted: int) -> None:
    if there != wanted:
        raise ProtocolError(f"asked about {wanted} numbers, the answer has {there} lines")


def differing(ours: bytes, theirs: bytes) -> int | None:
    """The first line (from 0) in which two equally many lines differ; None if they are the same."""
    if ours == theirs:
        return None
    left, right = np.frombuffer(ours, np.uint8), np.frombuffer(theirs, np.uint8)
    short = min(len(left), len(right))
    where = np.flatnonzero(left[:short] != right[:short])
    at = int(where[0]) if len(where) else short
    return ours.count(b"\n", 0, at)
