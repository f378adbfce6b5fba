"""The counts of stored numbers that a plan's retirements go by: read from their files and cited in the actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from appliance.ledger import census
from appliance.ledger.actions import Action, Retire
from appliance.ledger.errors import LedgerError
from appliance.ledger.state import LedgerState
from appliance.numbers.domains import Generation
from keyceremony import workspace
from keyceremony.errors import DraftRefused


@dataclass(frozen=True)
class Evidence:
    """Census files; ``accepted``: so many numbers may be left under each key that is retired."""

    files: tuple[Path, ...] = ()
    accepted: int = 0

    def cited(self, actions: Sequence[Action], state: LedgerState) -> list[Action]:
        """The actions, each retirement citing the census of its domain.

        Raises:
            DraftRefused: a file that is no census, speaks against the retirement, or belongs to none of them.
            FileProblem: it cannot be read.
        """
        found = list(actions)
        for path in self.files:
            found = _cite(path, found, state, self.accepted)
        return found


def _cite(path: Path, actions: Sequence[Action], state: LedgerState, accepted: int) -> list[Action]:
    data = workspace.read(path)
    try:
        domain = census.parse(data).domain
        return list(_cited(path, data, domain, actions, state, accepted))
    except LedgerError as error:
        raise DraftRefused(f"{path}: {error.reason}", error.hint) from None


def _cited(
    path: Path, data: bytes, domain: str, actions: Sequence[Action], state: LedgerState, accepted: int
) -> Sequence[Action]:
    used, found = False, list[Action]()
    for action in actions:
        if isinstance(action, Retire) and Generation.parse(action.generation).domain == domain:
            if action.census is not None:
                raise DraftRefused(f"{path}: a census of {domain} is cited already", "one for each domain")
            citation = census.cite(data, state, Generation.parse(action.generation), accepted=accepted)
            action, used = replace(action, census=citation), True  # noqa: PLW2901
        found.append(action)
    if not used:
        raise DraftRefused(f"{path}: it counts numbers of {domain}, and this plan retires no key of it")
    return found
