"""The keys of a route at work: a number up to the root, verified at each parent, and down again.

FF1 is unauthenticated: without the verification, a mistyped number, or one of another sector or
generation, would yield a plausible wrong person. Every parent on the way up must therefore
accept the deciphered integer as one of its own, the root last. (Check digits are no part of the integer
but made when it is written, so the range is all there is to check.)

The same verification finds ciphertext that the token altered on the way up, where `doubled_rounds` says so; all other
blocks are asked twice. What fails it is nobody's only if a second climb, with every block asked twice, says the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.numbers.aes import CiphertextAltered, EncryptBlocks
from appliance.numbers.columns import Flags
from appliance.numbers.embedding import carries, to_child, to_parent
from appliance.numbers.ff1 import ROUNDS, FF1Halves
from appliance.numbers.formats import Format
from appliance.numbers.lockstep import CHUNK, Halves, Lockstep, fits

Columns = tuple[Halves, Halves]
SPARSE = 2**20
"""A domain this many times as large as the root's has so few numbers in use that one made by chance is nobody's."""


def doubled_rounds(child: Format, parent: Format, root: Format) -> int:
    """How many of the last rounds of a decryption no later verification makes sure of, so that they are asked twice.

    An altered block in any round but the last leaves a number made by chance: every number of the parent is as likely.
    In the last it changes the left half alone, maybe by one, and that may be somebody else's number, unless the
    parent's is deciphered again and its domain is sparse, too.
    """
    if child.size < SPARSE * root.size:
        return ROUNDS
    return 1 if parent.size < SPARSE * root.size else 0


class Edge:
    """One generation's key at work, with the formats on both sides of it; ``chunk``, ``between``: see `Lockstep`.

    Raises:
        CiphertextAltered: here and by all methods: the token answered a block in two ways.
    """

    def __init__(
        self,
        encrypt_blocks: EncryptBlocks,
        child: Format,
        parent: Format,
        root: Format,
        tweak: bytes,
        *,
        chunk: int = CHUNK,
        between: Callable[[], None] | None = None,
    ) -> None:
        self.child, self.parent = child, parent
        self._scalar = FF1Halves(encrypt_blocks, child, tweak)
        self._lockstep = Lockstep(encrypt_blocks, child, tweak, chunk=chunk, between=between) if fits(child) else None
        self._doubled = doubled_rounds(child, parent, root)
        self.in_columns = carries(parent, child)

    def decrypt(self, value: int, *, again: bool = False) -> int | None:
        """The parent's integer, or None if it is none of the parent's; ``again``: with every block asked twice."""
        doubled = ROUNDS if again else self._doubled
        value = self.child.join(*self._scalar.decrypt(*self.child.split(value), doubled))
        return value if value < self.parent.size else None

    def encrypt(self, value: int) -> int:
        """The child's integer of the parent's."""
        return self.child.join(*self._scalar.encrypt(*self.child.split(value)))

    def decrypt_columns(self, a: Halves, b: Halves, *, again: bool = False) -> tuple[Halves, Halves, Flags | None]:
        """The same on arrays, which it may write into; also which are none of the parent's (None: all are)."""
        self._columns().decrypt_in_place(a, b, ROUNDS if again else self._doubled)
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
class Path:
    """A route with its keys at hand, and the formats at its ends."""

    source: Format
    target: Format
    up: tuple[Edge, ...]
    down: tuple[Edge, ...]
    turn: int

    @property
    def in_columns(self) -> bool:
        """Whether arrays can go all the way."""
        return all(edge.in_columns for edge in self.up + self.down) and fits(self.source) and fits(self.target)

    def climb(self, value: int) -> tuple[int, int] | None:
        """One integer of the source up to the root: there, and what it was where the way turns.

        None if a parent has no such number, also when it is asked again: then it is nobody's.

        Raises:
            CiphertextAltered: the two climbs differ, or two answers to one block.
        """
        found = self._climb(value, again=False)
        if found is None and self._climb(value, again=True) is not None:
            raise CiphertextAltered
        return found

    def _climb(self, value: int, *, again: bool) -> tuple[int, int] | None:
        turned = value
        for step, edge in enumerate(self.up, 1):
            above = edge.decrypt(value, again=again)
            if above is None:
                return None
            value = above
            if step == self.turn:
                turned = value
        return value, turned

    def descend(self, value: int) -> int:
        """From where the way turns to the target."""
        for edge in self.down:
            value = edge.encrypt(value)
        return value

    def climb_columns(self, a: Halves, b: Halves, *, again: bool = False) -> tuple[Columns, Columns, Flags | None]:
        """The same of arrays, which it may write into: at the root, at the turn, and which are nobody's (None: none).

        Those go on as some number; whether a second climb says the same of them, `require_nobodys` asks. The two are
        the same arrays where the way turns at the root.
        """
        turned, nobody = (a, b), None
        for step, edge in enumerate(self.up):
            if step == self.turn:
                turned = a.copy(), b.copy()
            a, b, strange = edge.decrypt_columns(a, b, again=again)
            if strange is not None:
                nobody = strange if nobody is None else nobody | strange
        return (a, b), (turned if self.turn < len(self.up) else (a, b)), nobody

    def require_nobodys(self, a: Halves, b: Halves) -> None:
        """Climb again with numbers of the source that were nobody's, in arrays that it may write into.

        Raises:
            CiphertextAltered: one of them is somebody's now, or two answers to one block differ.
        """
        _, _, nobody = self.climb_columns(a, b, again=True)
        if nobody is None or not nobody.all():
            raise CiphertextAltered

    def descend_columns(self, a: Halves, b: Halves) -> Columns:
        """The same of arrays, which it may write into."""
        for edge in self.down:
            a, b = edge.encrypt_columns(a, b)
        return a, b
