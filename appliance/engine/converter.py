"""Conversion of numbers, by the keys and states of one ledger: lines in, lines and subject tags out.

A number is verified at the root before any answer is given (see `appliance.engine.edges`), and its subject tag is
made there: what goes into the log's index is made from what was verified. Ciphertext that the token altered becomes
neither: the work ends with `CiphertextAltered`, and so must the engine. A few lines go number by number (quicker
there), more of them in lockstep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.engine.edges import Edge, Path
from appliance.engine.routes import route
from appliance.engine.singles import Status, Tagged
from appliance.engine.tags import Tagger
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.servicekeys import current_tag, readable_tags
from appliance.ledger.states import READABLE
from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.columns import ERROR_LINES, MALFORMED, OK, UNKNOWN, Flags, parse_lines, render_lines
from appliance.numbers.domains import Generation
from appliance.numbers.formats import Format, MalformedNumber
from appliance.numbers.lockstep import CHUNK, Halves

FEW_LINES = 4  # up to here number by number is quicker: B → E on SoftHSM 0.9 of the time in columns, 1.1 for five


@dataclass(frozen=True)
class Converted:
    """Answer lines, in the order of the question, and how many of each kind there are.

    ``tags``: 16 bytes for each converted number, in their order; empty if the ledger has no tag key in use.
    """

    text: bytes
    converted: int
    malformed: int
    unknown: int
    tags: bytes = b""


class Converter:
    """Converts numbers by the keys of one ledger state. For one thread.

    ``encryptor`` gives the AES of a key. Every key that may convert or tag now is asked for at once, so that
    a missing one is found before the first conversion. ``chunk``: how many numbers go in lockstep. ``between`` is
    called where the work may be interrupted, before each round of a chunk and after each number that goes by itself;
    it may use the same keys, with another converter. Whether any role may have a pair at all is the
    caller's check, not made here, and so is whether there must be a tag key.
    """

    def __init__(
        self,
        state: LedgerState,
        encryptor: Callable[[KeyRecord], EncryptBlocks],
        *,
        chunk: int = CHUNK,
        between: Callable[[], None] | None = None,
    ) -> None:
        self._state = state
        self._chunk, self._between = chunk, between
        self._paths: dict[tuple[Generation | None, Generation | None], Path] = {}
        readable = [key for key in state.keys.values() if key.state in READABLE and key.generation.domain in state.tree]
        self._edges = {record.generation: self._edge(record, encryptor(record)) for record in readable}
        root = state.tree.root.format
        self._lookup = {record.generation: Tagger(encryptor(record), root, chunk) for record in readable_tags(state)}
        current = current_tag(state)
        self._tagger = None if current is None else self._lookup[current.generation]

    def convert_lines(self, source: Generation | None, target: Generation | None, data: bytes) -> Converted:
        r"""One line out for each line in, in order: a number, ``!malformed_number`` or ``!unknown_number``.

        Lines end with ``\n`` or ``\r\n`` (the last may lack it); answer lines with ``\n``. None is the root.

        Raises:
            UnknownGeneration, GenerationUnusable: see `appliance.engine.routes.route`.
            CiphertextAltered: there is no answer to any of it.
        """
        path = self._path(source, target)
        if not path.in_columns or _few(data):
            return _by_number(path, data, self._tagger, self._between)
        pieces = _pieces(data, self._chunk * (path.source.text_length + 1))
        parts = [_in_columns(path, piece, self._tagger) for piece in pieces]
        return Converted(
            b"".join(part.text for part in parts),
            sum(part.converted for part in parts),
            sum(part.malformed for part in parts),
            sum(part.unknown for part in parts),
            b"".join(part.tags for part in parts),
        )

    def tags_of(self, source: Generation | None, line: bytes) -> Tagged:
        """By what the log's index finds the person with a number (a line, with or without its newline).

        Raises:
            UnknownGeneration, GenerationUnusable: see `appliance.engine.routes.route`.
            CiphertextAltered: there is no answer to any of it.
        """
        path = self._path(source, None)
        try:
            found = path.climb(path.source.parse(line.removesuffix(b"\n").decode("latin-1")))
        except MalformedNumber:
            return Tagged(Status.MALFORMED)
        if found is None:
            return Tagged(Status.UNKNOWN)
        return Tagged(Status.OK, tuple(tagger.of_values((found[0],)) for tagger in self._lookup.values()))

    def convert_value(self, source: Generation | None, target: Generation | None, value: int) -> int | None:
        """One number as an integer of the source's format; None if it is unknown.

        Raises:
            ValueError: the integer is outside the source's format.
            UnknownGeneration, GenerationUnusable: see `appliance.engine.routes.route`.
        """
        path = self._path(source, target)
        if not 0 <= value < path.source.size:
            raise ValueError("the integer does not fit the source's format")
        found = path.climb(value)
        return None if found is None else path.descend(found[1])

    def _path(self, source: Generation | None, target: Generation | None) -> Path:
        path = self._paths.get((source, target))
        if path is None:
            way = route(self._state, source, target)
            up = tuple(self._edges[generation] for generation in way.up)
            down = tuple(self._edges[generation] for generation in way.down)
            path = Path(self._format(source), self._format(target), up, down, way.turn)
            self._paths[source, target] = path
        return path

    def _edge(self, record: KeyRecord, encrypt_blocks: EncryptBlocks) -> Edge:
        child, parent = self._format(record.generation), self._format(record.parent)
        root, tweak = self._format(None), record.generation.domain.encode("ascii")
        return Edge(encrypt_blocks, child, parent, root, tweak, chunk=self._chunk, between=self._between)

    def _format(self, generation: Generation | None) -> Format:
        tree = self._state.tree
        return tree.root.format if generation is None else tree[generation.domain].format


def _few(data: bytes) -> bool:
    return len(data) <= 1024 and data.count(b"\n") <= FEW_LINES


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The data cut after newlines into pieces of at most ``size`` bytes (more only where a line is longer)."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + size) + 1 or data.find(b"\n", start + size) + 1 or len(data)
        yield data[start:end]
        start = end


def _in_columns(path: Path, data: bytes, tagger: Tagger | None) -> Converted:
    """Lines as arrays. What is malformed or unknown goes along as some number, and is neither tagged nor rendered."""
    a, b, ok = parse_lines(data, path.source)
    status = np.logical_not(ok).view(np.uint8)  # OK or MALFORMED
    root, turned, nobody = path.climb_columns(a, b)
    if nobody is not None and (unknown_rows := nobody & ok).any():
        path.require_nobodys(*_some(data, path.source, unknown_rows))
        status[unknown_rows] = UNKNOWN
    malformed, unknown = _failed(status) if status.any() else (0, 0)
    tags = b"" if tagger is None else _tagged(tagger, *root, status)  # before the way down writes into these arrays
    text = render_lines(*path.descend_columns(*turned), status, path.target)
    return Converted(text, len(ok) - malformed - unknown, malformed, unknown, tags)


def _some(data: bytes, source: Format, rows: Flags) -> tuple[Halves, Halves]:
    """The halves of some lines, read once more: what they were is written over by then."""
    a, b, _ = parse_lines(data, source)
    return a[rows], b[rows]


def _failed(status: NDArray[np.uint8]) -> tuple[int, int]:
    """How many are malformed, and how many unknown."""
    return int(np.count_nonzero(status == MALFORMED)), int(np.count_nonzero(status == UNKNOWN))


def _tagged(tagger: Tagger, a: Halves, b: Halves, status: NDArray[np.uint8]) -> bytes:
    """Tags of the numbers that stand at the root, verified."""
    if not status.any():
        return tagger.of_columns(a, b)
    good = status == OK
    return tagger.of_columns(a[good], b[good])


def _by_number(path: Path, data: bytes, tagger: Tagger | None, between: Callable[[], None] | None) -> Converted:
    """The same, line by line."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    values: list[int] = []
    out = []
    for line in lines:
        out.append(_line(path, line.removesuffix(b"\r"), values))
        if between is not None:
            between()
    malformed, unknown = out.count(ERROR_LINES[MALFORMED]), out.count(ERROR_LINES[UNKNOWN])
    tags = b"" if tagger is None else tagger.of_values(values)
    return Converted(b"".join(out), len(out) - malformed - unknown, malformed, unknown, tags)


def _line(path: Path, line: bytes, values: list[int]) -> bytes:
    """One answer line; the number at the root goes to ``values`` if it was verified."""
    try:
        found = path.climb(path.source.parse(line.decode("latin-1")))
    except MalformedNumber:
        return ERROR_LINES[MALFORMED]
    if found is None:
        return ERROR_LINES[UNKNOWN]
    values.append(found[0])
    return f"{path.target.render(path.descend(found[1]))}\n".encode("ascii")
