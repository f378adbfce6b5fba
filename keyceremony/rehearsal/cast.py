"""Which throw-away token stands in for which real one. Pure.

Every action that takes an empty token gets one of its own. So a scratch token used twice, and a token that was
initialised anew between two parts, need no rule of their own, and a token that is lost is no longer used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.ledger.actions import Drill, EnrollBackup, EnrollClone, Found, Restore
from appliance.ledger.plan import Plan
from keyceremony.act.desk import Name

MARK = "REHEARSAL"
_LABEL_BYTES = 32  # PKCS#11 v2.40 base specification, section 3.2, CK_TOKEN_INFO: label


@dataclass(frozen=True)
class StandIn:
    """The throw-away token of the given label is what the original's token is to the plan of that entry."""

    entry: int
    original: Name
    label: str


def token_of(plan: Plan) -> Name | None:
    """The empty token that a plan takes into use, None for most plans; such an action is alone in its plan."""
    action = plan.actions[0]
    if isinstance(action, Found | EnrollBackup | Restore | Drill | EnrollClone):
        return Name(action.token_label, action.token_serial)
    return None


def stand_ins(plans: Iterable[Plan]) -> tuple[StandIn, ...]:
    """The throw-away tokens that plans take, in order, each with a label of its own."""
    made: dict[str, StandIn] = {}
    for plan in plans:
        original = token_of(plan)
        if original is not None:
            label = _free_label(original.label, made)
            made[label] = StandIn(plan.sequence, original, label)
    return tuple(made.values())


def marked(text: str, longest: int) -> str:
    """The text with the mark before it, cut to so many characters."""
    return f"{MARK} {text}"[:longest].rstrip()


def _free_label(original: str, taken: Iterable[str]) -> str:
    label, number = _label(original, ""), 1
    while label in taken:
        number += 1
        label = _label(original, f" {number}")
    return label


def _label(original: str, suffix: str) -> str:
    room = _LABEL_BYTES - len(suffix)
    return f"{MARK} {original}".encode()[:room].decode(errors="ignore").rstrip() + suffix
