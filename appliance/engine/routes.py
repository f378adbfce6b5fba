"""Which keys a conversion runs through: up to the root, where it is verified, and down again.

A number is always deciphered up to the root; the way down starts at the lowest number on the way
up that both sides share (B → E: the sPIN), so nothing is deciphered or enciphered twice. None
stands for the root itself, which has no key. Names are resolved here too, and never by trying.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.errors import KagimoriError
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.states import READABLE, WRITABLE
from appliance.numbers.domains import DomainError, Generation


class UnknownGeneration(KagimoriError):
    """A name that is no domain and no key generation of the ledger."""


class GenerationUnusable(KagimoriError):
    """A key generation whose state forbids what was asked of it."""


@dataclass(frozen=True)
class Route:
    """``up``: generations to decrypt with, in order; ``down``: those to encrypt with, in order.

    The way down begins from the number reached after ``turn`` steps up (0: the source itself).
    """

    up: tuple[Generation, ...]
    down: tuple[Generation, ...]
    turn: int

    @property
    def runs(self) -> int:
        """How many FF1 runs one verified conversion takes."""
        return len(self.up) + len(self.down)


def resolve(state: LedgerState, name: str) -> Generation | None:
    """The generation a request names: ``sspin.B`` the current one, ``sspin.B.2`` that one; None for the root.

    Raises:
        UnknownGeneration: neither a domain nor a generation of this ledger.
        GenerationUnusable: a domain that has no active key.
    """
    if name == state.tree.root.name:
        return None
    if name in state.tree:
        if name not in state.current:
            raise GenerationUnusable(f"{name} has no active key", "a ceremony can generate and activate one")
        return state.current[name]
    try:
        generation = Generation.parse(name)
    except DomainError:
        raise _unknown(name) from None
    if generation not in state.keys or generation.domain not in state.tree:  # `log` and `tag` convert nothing
        raise _unknown(name)
    return generation


def route(state: LedgerState, source: Generation | None, target: Generation | None) -> Route:
    """The way from ``source`` over the root to ``target``.

    Raises:
        UnknownGeneration: a generation, or one above it, that the ledger does not have.
        GenerationUnusable: the source, or a generation above either end, is neither active nor
            decrypt-only; or the target is not active.
    """
    up, down = _way_up(state, source), _way_up(state, target)
    for record in up + down[1:]:
        if record.state not in READABLE:
            raise _unusable(record, "active or decrypt-only")
    if down and down[0].state not in WRITABLE:
        raise _unusable(down[0], "active, to be written to")
    shared = 0
    while shared < min(len(up), len(down)) and up[-1 - shared] == down[-1 - shared]:
        shared += 1
    return Route(
        tuple(record.generation for record in up),
        tuple(record.generation for record in reversed(down[: len(down) - shared])),
        len(up) - shared,
    )


def _way_up(state: LedgerState, generation: Generation | None) -> list[KeyRecord]:
    """The records from a generation to the one under the root."""
    way: list[KeyRecord] = []
    while generation is not None:
        record = state.keys.get(generation)
        if record is None or generation.domain not in state.tree:
            raise _unknown(str(generation))
        _check_edge(state, record)
        way.append(record)
        generation = record.parent
    return way


def _check_edge(state: LedgerState, record: KeyRecord) -> None:
    """A key's parent must be a key of its domain's parent: the ledger's rules say so, and a way relies on it."""
    above = record.parent.domain if record.parent else state.tree.root.name
    if state.tree[record.generation.domain].parent != above:
        raise GenerationUnusable(
            f"{record.generation} records a parent in {above}, which is not the parent of its domain",
            "verify the ledger with `keyceremony verify`",
        )


def _unknown(name: str) -> UnknownGeneration:
    return UnknownGeneration(f"{name!r} is no domain or key generation of this ledger", "GET /v1/domains lists them")


def _unusable(record: KeyRecord, needed: str) -> GenerationUnusable:
    return GenerationUnusable(
        f"{record.generation} is {record.state.value}; this conversion needs it {needed}",
        "name a generation in that state, or have a ceremony change this one's",
    )
