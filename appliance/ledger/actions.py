"""The actions a plan can name, each a strict structure tagged by ``action``.

Key actions carry a generation as text (``sspin.C.2``). Their legality in the present state is
not decided here but by `appliance.ledger.states` when the ledger is folded.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from appliance.ledger.policy import Policy
from appliance.ledger.roster import Roster

ActionClass = Literal["genesis", "keys", "emergency", "destroy", "roster", "policy"]
GenerationText = Annotated[str, msgspec.Meta(max_length=48)]


class FormatSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number format (see `appliance.numbers.formats.Format`)."""

    alphabet: Annotated[str, msgspec.Meta(max_length=94)]
    length: Annotated[int, msgspec.Meta(ge=2, le=256)]
    check: Annotated[str, msgspec.Meta(max_length=64)]


class DomainSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A domain of the tree; ``title`` is for people, ``parent`` None only for the root."""

    name: str
    title: str
    parent: str | None
    format: FormatSpec


class Found(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action", tag="found"):
    """Genesis: the appliance's token, who decides, which domains there are, who may convert."""

    token_label: str
    token_serial: str
    roster: Roster
    domains: tuple[DomainSpec, ...]
    policy: Policy


class Generate(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action", tag="generate"
):
    """Make a key on the token. ``parent`` is the parent domain's generation, None under the root."""

    generation: GenerationText
    parent: GenerationText | None


class _KeyAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action"):
    generation: GenerationText


class Activate(_KeyAction, frozen=True, tag="activate"):
    """Make a generated key its domain's current one."""


class Restrict(_KeyAction, frozen=True, tag="restrict"):
    """Read from, never write to."""


class Suspend(_KeyAction, frozen=True, tag="suspend"):
    """Emergency stop."""


class Resume(_KeyAction, frozen=True, tag="resume"):
    """End of an emergency stop."""


class Retire(_KeyAction, frozen=True, tag="retire"):
    """Convert nothing any more."""


class Destroy(_KeyAction, frozen=True, tag="destroy"):
    """Remove the key from every token."""


KeyAction = Activate | Restrict | Suspend | Resume | Retire | Destroy
Action = Found | Generate | KeyAction


def action_name(action: Action) -> str:
    """The action's tag, ``generate`` for one."""
    return str(type(action).__struct_config__.tag)


def action_class(action: Action) -> ActionClass:
    """Which threshold an action needs."""
    match action:
        case Found():
            return "genesis"
        case Suspend():
            return "emergency"
        case Destroy():
            return "destroy"
        case _:
            return "keys"
