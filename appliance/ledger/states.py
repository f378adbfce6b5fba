"""Key states and the one table of transitions between them.

The names follow NIST SP 800-57 part 1 where it has one; the table is the only place that says
which action leads where, and tests, documentation and diagram are made from it.

    action    from                          to            meaning of the target state
    generate  -                             generated     exists; converts nothing
    activate  generated                     active        becomes current; earlier active ones stay
    restrict  active (not current)          decrypt-only  read and re-keyed from, never written to
    suspend   active, decrypt-only          suspended     emergency stop by the lighter quorum
    ratify    suspended                     suspended     the ordinary quorum stands behind the stop
    resume    suspended                     (as before)   back to the state before the suspension
    retire    decrypt-only, suspended       retired       converts nothing; key still on the token
    destroy   retired                       destroyed     key gone from every token
    lose      generated, active, decrypt-only, suspended, retired  lost  was on a token that is lost, and nowhere else

`lose` is no action of its own: a restore brings it about for the keys that it gives up by name, because they were
on the lost token and are on no backup token. They are gone from the appliance; their absence is not proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class KeyState(StrEnum):
    """State of one key generation."""

    GENERATED = "generated"
    ACTIVE = "active"
    DECRYPT_ONLY = "decrypt-only"
    SUSPENDED = "suspended"
    RETIRED = "retired"
    DESTROYED = "destroyed"
    LOST = "lost"


READABLE = frozenset({KeyState.ACTIVE, KeyState.DECRYPT_ONLY})
WRITABLE = frozenset({KeyState.ACTIVE})
GONE = frozenset({KeyState.DESTROYED, KeyState.LOST})
"""States of keys that are on no token of the ledger any more."""


class IllegalTransition(ValueError):
    """The action is not allowed in the key's present state."""


@dataclass(frozen=True)
class Transition:
    """One row: the states an action may start from (None: no key yet) and where it leads.

    ``target`` None means "the state before the suspension"; ``forbids_current`` marks the
    action that a domain's current generation must not undergo.
    """

    sources: frozenset[KeyState | None]
    target: KeyState | None
    forbids_current: bool = False


TRANSITIONS: Mapping[str, Transition] = MappingProxyType(
    {
        "generate": Transition(frozenset({None}), KeyState.GENERATED),
        "activate": Transition(frozenset({KeyState.GENERATED}), KeyState.ACTIVE),
        "restrict": Transition(frozenset({KeyState.ACTIVE}), KeyState.DECRYPT_ONLY, forbids_current=True),
        "suspend": Transition(frozenset({KeyState.ACTIVE, KeyState.DECRYPT_ONLY}), KeyState.SUSPENDED),
        "ratify": Transition(frozenset({KeyState.SUSPENDED}), KeyState.SUSPENDED),
        "resume": Transition(frozenset({KeyState.SUSPENDED}), None),
        "retire": Transition(frozenset({KeyState.DECRYPT_ONLY, KeyState.SUSPENDED}), KeyState.RETIRED),
        "destroy": Transition(frozenset({KeyState.RETIRED}), KeyState.DESTROYED),
        "lose": Transition(frozenset(KeyState) - GONE, KeyState.LOST),
    }
)


def next_state(
    action: str, state: KeyState | None, *, is_current: bool, before_suspension: KeyState | None = None
) -> KeyState:
    """The state that ``action`` leads to from ``state``.

    Raises:
        IllegalTransition: the table has no such move.
    """
    row = TRANSITIONS.get(action)
    if row is None:
        raise IllegalTransition(f"{action}: no such action")
    if state not in row.sources:
        allowed = ", ".join(sorted(source.value if source else "no key yet" for source in row.sources))
        raise IllegalTransition(f"{action}: the key is {state.value if state else 'not there'}; needs: {allowed}")
    if row.forbids_current and is_current:
        raise IllegalTransition(f"{action}: the key is its domain's current one; activate a newer one first")
    target = row.target or before_suspension
    if target is None:
        raise IllegalTransition(f"{action}: the state before the suspension is unknown")
    return target
