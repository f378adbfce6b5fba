"""The actions a plan can name, each a strict structure tagged by ``action``.

Key actions carry a generation as text (``sspin.C.2``). Their legality in the present state is
not decided here but by `appliance.ledger.states` when the ledger is folded.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from appliance.ledger.policy import Policy
from appliance.ledger.roster import Roster

ActionClass = Literal["genesis", "keys", "emergency", "destroy", "roster", "policy", "tokens"]
GenerationText = Annotated[str, msgspec.Meta(max_length=48)]
TokenLabel = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
TokenSerial = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
LogName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]  # as [audit] name in a configuration
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


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
    """Make a key on the token. ``parent`` is the parent domain's generation, None under the root.

    ``backups``: serial numbers of the backup tokens that get a copy before the key is sealed; without any,
    the key is made so that it can never leave the token.
    """

    generation: GenerationText
    parent: GenerationText | None
    backups: Annotated[tuple[TokenSerial, ...], msgspec.Meta(max_length=16)] = ()


class _KeyAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action"):
    generation: GenerationText


class Activate(_KeyAction, frozen=True, tag="activate"):
    """Make a generated key its domain's current one."""


class Restrict(_KeyAction, frozen=True, tag="restrict"):
    """Read from, never write to."""


class Suspend(_KeyAction, frozen=True, tag="suspend"):
    """Emergency stop."""


class Ratify(_KeyAction, frozen=True, tag="ratify"):
    """The ordinary quorum stands behind a suspension that the lighter one decided; the key stays suspended."""


class Resume(_KeyAction, frozen=True, tag="resume"):
    """End of an emergency stop."""


class CensusCitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A count of stored numbers that a retirement goes by: SHA-256 of its file (`appliance.ledger.census`), in hex.

    ``counted``: rows looked at; ``left``: numbers among them that were still under the key.
    """

    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    counted: Count
    left: Count


class Retire(_KeyAction, frozen=True, tag="retire", omit_defaults=True):
    """Convert nothing any more. ``census``: the count that shows who still has numbers under it."""

    census: CensusCitation | None = None


class Destroy(_KeyAction, frozen=True, tag="destroy"):
    """Remove the key from every token."""


class _Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action"):
    """An action on something else than one key."""


class ChangeRoster(_Action, frozen=True, kw_only=True, tag="change-roster"):
    """Other people, certificates or thresholds from the next plan on. Alone in its plan; both quorums agree."""

    roster: Roster


class ChangePolicy(_Action, frozen=True, kw_only=True, tag="change-policy"):
    """Another policy from this entry on."""

    policy: Policy


class AddDomain(_Action, frozen=True, kw_only=True, tag="add-domain"):
    """One domain more, a new sector's for one."""

    domain: DomainSpec


class EnrollBackup(_Action, frozen=True, kw_only=True, tag="enroll-backup"):
    """A token that will hold copies. ``copy_from``: the backup token whose copies it gets at once, None: none."""

    token_label: TokenLabel
    token_serial: TokenSerial
    copy_from: TokenSerial | None


class RemoveBackup(_Action, frozen=True, kw_only=True, tag="remove-backup"):
    """A backup token leaves. ``lost``: it is not at hand, so that nothing can be proven of its copies."""

    token_serial: TokenSerial
    lost: bool


class Restore(_Action, frozen=True, kw_only=True, tag="restore"):
    """A new appliance token takes the place of the old one, with the copies of the backup token ``source``.

    ``lost``: the generations that no backup token has, in order; the quorum gives them up by naming them.
    ``lost_backups``: serial numbers of backup tokens that are lost as well, in order; they leave the ledger with it.
    """

    token_label: TokenLabel
    token_serial: TokenSerial
    source: TokenSerial
    lost: Annotated[tuple[GenerationText, ...], msgspec.Meta(max_length=4096)] = ()
    lost_backups: Annotated[tuple[TokenSerial, ...], msgspec.Meta(max_length=16)] = ()


class Drill(_Action, frozen=True, kw_only=True, tag="drill"):
    """Rehearse recovery: the copies of ``source`` on a scratch token, compared, and removed from it again."""

    token_label: TokenLabel
    token_serial: TokenSerial
    source: TokenSerial


class EnrollClone(_Action, frozen=True, kw_only=True, tag="enroll-clone"):
    """A token that converts beside the appliance's: it gets every key that can be copied, sealed, from ``source``.

    ``log_name``: the log that an appliance of its own keeps on it, signed with a key made on it; None: it serves
    more engines of the one appliance, and signs nothing.
    """

    token_label: TokenLabel
    token_serial: TokenSerial
    source: TokenSerial
    log_name: LogName | None


class UpdateClone(_Action, frozen=True, kw_only=True, tag="update-clone"):
    """A clone gets the keys that it lacks and that the backup token ``source`` has a copy of."""

    token_serial: TokenSerial
    source: TokenSerial


class RemoveClone(_Action, frozen=True, kw_only=True, tag="remove-clone"):
    """A clone leaves, emptied. ``lost``: it is not at hand, so that nothing can be proven of its keys."""

    token_serial: TokenSerial
    lost: bool


KeyAction = Activate | Restrict | Suspend | Ratify | Resume | Retire | Destroy
CloneAction = EnrollClone | UpdateClone | RemoveClone
TokenAction = EnrollBackup | RemoveBackup | Restore | Drill | CloneAction
Action = Found | Generate | KeyAction | ChangeRoster | ChangePolicy | AddDomain | TokenAction
ALONE = (Found, ChangeRoster, EnrollBackup, RemoveBackup, Restore, Drill, EnrollClone, UpdateClone, RemoveClone)
"""Actions that are the only one of their plan."""


def action_name(action: Action) -> str:
    """The action's tag, ``generate`` for one."""
    return str(type(action).__struct_config__.tag)


def subject_of(action: Action) -> str:
    """What an action is about, in a word: a generation, a domain, a token's label, ``roster`` or ``policy``."""
    match action:
        case Found() | EnrollBackup() | Restore() | Drill() | EnrollClone():
            return action.token_label
        case RemoveBackup() | UpdateClone() | RemoveClone():
            return action.token_serial
        case ChangeRoster():
            return "roster"
        case ChangePolicy():
            return "policy"
        case AddDomain():
            return action.domain.name
        case _:
            return action.generation


_CLASSES: Mapping[type[Action], ActionClass] = MappingProxyType(
    {
        Found: "genesis",
        Suspend: "emergency",
        Destroy: "destroy",
        ChangeRoster: "roster",
        ChangePolicy: "policy",
        AddDomain: "policy",
        EnrollBackup: "tokens",
        RemoveBackup: "tokens",
        Restore: "tokens",
        EnrollClone: "tokens",
        UpdateClone: "tokens",
        RemoveClone: "tokens",
    }
)


def action_class(action: Action) -> ActionClass:
    """Which threshold an action needs: one of its own, or that of ``keys``."""
    return _CLASSES.get(type(action), "keys")
