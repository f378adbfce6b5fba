"""Conversion of numbers, by the keys and states of one ledger: up, verify at the root, down.

FF1 is unauthenticated: without the verification, a mistyped number, or one of another sector or
generation, would yield a plausible wrong person. Every parent on the way up must therefore
accept the deciphered integer as one of its own, the root last, before any answer is given. (Check
digits are no part of the integer but made when it is written, so the range is all there is to check.)
A few lines go number by number (quicker there), more of them in lockstep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from appliance.engine.routes import route
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.states import READABLE
from appliance.numbers.columns import ERROR_LINES, MALFORMED, OK, UNKNOWN, Flags, parse_lines, render_lines
from appliance.numbers.domains import Generation
from appliance.numbers.embedding import carries, to_child, to_parent
from appliance.numbers.ff1 import EncryptBlocks, FF1Halves
from appliance.numbers.formats import Format, MalformedNumber
from appliance.numbers.lockstep import CHUNK, Halves, Lockstep, fits

FEW_LINES = 3  # up to here number by number is quicker (B → E on SoftHSM: 50 µs each; in columns 185 µs for 4 to 64)


@dataclass(frozen=True)
class Converted:
    """Answer lines, in the order of the question, and how many of each kind there are."""

    text: bytes
    converted: int
    malformed: int
    unknown: int


class _Edge:
    """One generation's key at work, with the formats on both sides of it."""

    def __init__(self, encrypt_blocks: EncryptBlocks, child: Format, parent: Format, tweak: bytes) -> None:
        self.child, self.parent = child, parent
        self._scalar = FF1Halves(encrypt_blocks, child, tweak)
        self._lockstep = Lockstep(encrypt_blocks, child, tweak) if fits(child) else None
        self.in_columns = carries(parent, child)

    def decrypt(self, value: int) -> int | None:
        """The parent's integer, or None if it is none of the parent's."""
        value = self.child.join(*self._scalar.decrypt(*self.child.split(value)))
        return value if value < self.parent.size else None

    def encrypt(self, value: int) -> int:
        """The child's integer of the parent's."""
        return self.child.join(*self._scalar.encrypt(*self.child.split(value)))

    def decrypt_columns(self, a: Halves, b: Halves) -> tuple[Halves, Halves, Flags | None]:
        """The same on arrays, which it may write into; also which are none of the parent's (None: all are)."""
        self._columns().decrypt_in_place(a, b)
        return to_parent(a, b, self.child, self.parent)

    def encrypt_columns(self, a: Halves, b: Halves) -> tuple[Halves, Halves]:
        """The same on arrays, which it may write into."""
        a, b = to_child(a, b, self.parent, self.child)
        self._columns().encrypt_in_place(a, b)
        return a, b

    def _columns(self) -> Lockstep:
        if self._lockstep is None:
            raise AssertionError("a format whose halves exceed 63 bits has no lockstep")
        return self._lockstep


@dataclass(frozen=True)
class _Path:
    """A route with its keys at hand, and the formats at its ends."""

    source: Format
    target: Format
    up: tuple[_Edge, ...]
    down: tuple[_Edge, ...]
    turn: int

    @property
    def in_columns(self) -> bool:
        """Whether arrays can go all the way."""
        return all(edge.in_columns for edge in self.up + self.down) and fits(self.source) and fits(self.target)


class Converter:
    """Converts numbers by the keys of one ledger state. For one thread.

    ``encryptor`` gives the AES of a key. Every key that may convert now is asked for at once, so that a
    missing one is found before the first conversion. Whether any role may have a pair at all is the
    caller's check, not made here.
    """

    def __init__(self, state: LedgerState, encryptor: Callable[[KeyRecord], EncryptBlocks]) -> None:
        self._state = state
        self._paths: dict[tuple[Generation | None, Generation | None], _Path] = {}
        readable = [record for record in state.keys.values() if record.state in READABLE]
        self._edges = {record.generation: self._edge(record, encryptor(record)) for record in readable}

    def convert_lines(self, source: Generation | None, target: Generation | None, data: bytes) -> Converted:
        r"""One line out for each line in, in order: a number, ``!malformed_number`` or ``!unknown_number``.

        Lines end with ``\n`` or ``\r\n`` (the last may lack it); answer lines with ``\n``. None is the root.

        Raises:
            UnknownGeneration, GenerationUnusable: see `appliance.engine.routes.route`.
        """
        path = self._path(source, target)
        if not path.in_columns or _few(data):
            return _by_number(path, data)
        parts = [_in_columns(path, piece) for piece in _pieces(data, CHUNK * (path.source.text_length + 1))]
        return Converted(
            b"".join(part.text for part in parts),
            sum(part.converted for part in parts),
            sum(part.malformed for part in parts),
            sum(part.unknown for part in parts),
        )

    def convert_value(self, source: Generation | None, target: Generation | None, value: int) -> int | None:
        """One number as an integer of the source's format; None if it is unknown.

        Raises:
            ValueError: the integer is outside the source's format.
            UnknownGeneration, GenerationUnusable: see `appliance.engine.routes.route`.
        """
        path = self._path(source, target)
        if not 0 <= value < path.source.size:
            raise ValueError("the integer does not fit the source's format")
        return _value(path, value)

    def _path(self, source: Generation | None, target: Generation | None) -> _Path:
        path = self._paths.get((source, target))
        if path is None:
            way = route(self._state, source, target)
            up = tuple(self._edges[generation] for generation in way.up)
            down = tuple(self._edges[generation] for generation in way.down)
            path = _Path(self._format(source), self._format(target), up, down, way.turn)
            self._paths[source, target] = path
        return path

    def _edge(self, record: KeyRecord, encrypt_blocks: EncryptBlocks) -> _Edge:
        child, parent = self._format(record.generation), self._format(record.parent)
        return _Edge(encrypt_blocks, child, parent, record.generation.domain.encode("ascii"))

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


def _in_columns(path: _Path, data: bytes) -> Converted:
    """Lines as arrays. What is malformed or unknown goes along as some number, and is not rendered."""
    a, b, ok = parse_lines(data, path.source)
    status = np.where(ok, np.uint8(OK), np.uint8(MALFORMED))
    turned = a, b
    for step, edge in enumerate(path.up):
        if step == path.turn:
            turned = a.copy(), b.copy()
        a, b, strange = edge.decrypt_columns(a, b)
        if strange is not None:
            status[strange & ok] = UNKNOWN
    a, b = turned if path.turn < len(path.up) else (a, b)
    for edge in path.down:
        a, b = edge.encrypt_columns(a, b)
    malformed, unknown = int(np.count_nonzero(status == MALFORMED)), int(np.count_nonzero(status == UNKNOWN))
    return Converted(render_lines(a, b, status, path.target), len(ok) - malformed - unknown, malformed, unknown)


def _by_number(path: _Path, data: bytes) -> Converted:
    """The same, line by line."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    out = [_line(path, line.removesuffix(b"\r")) for line in lines]
    malformed, unknown = out.count(ERROR_LINES[MALFORMED]), out.count(ERROR_LINES[UNKNOWN])
    return Converted(b"".join(out), len(out) - malformed - unknown, malformed, unknown)


def _line(path: _Path, line: bytes) -> bytes:
    try:
        value = _value(path, path.source.parse(line.decode("latin-1")))
    except MalformedNumber:
        return ERROR_LINES[MALFORMED]
    return ERROR_LINES[UNKNOWN] if value is None else f"{path.target.render(value)}\n".encode("ascii")


def _value(path: _Path, value: int) -> int | None:
    """One integer up to the root, verified, and down."""
    turned = value
    for step, edge in enumerate(path.up, 1):
        above = edge.decrypt(value)
        if above is None:
            return None
        value = above
        if step == path.turn:
            turned = value
    for edge in path.down:
        turned = edge.encrypt(turned)
    return turned
