"""The whole state in the middle of a plan: what has been reached, and what a token may be named for in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.ledger import genesis
from appliance.ledger.actions import TokenAction, action_name
from appliance.ledger.errors import IllegalAction
from appliance.ledger.keys import KeyBook, KeyRecord, Moment
from appliance.ledger.state import BackupToken, CloneToken, LedgerState
from appliance.ledger.states import GONE
from appliance.numbers.domains import Generation


@dataclass(frozen=True)
class PresentToken:
    """The appliance's token at that moment."""

    label: str
    serial: str

    def __str__(self) -> str:
        return f"{self.label}, serial {self.serial}"


class WorkingState:
    """Public attributes hold what has been reached; whoever changes domains, policy or tokens says `changed`."""

    def __init__(self, state: LedgerState, moment: Moment | None = None) -> None:
        self.state = state
        self.moment = moment or Moment()
        self.domains, self.roster, self.policy = state.domains, state.roster, state.policy
        self.backups: dict[str, BackupToken] = dict(state.backups)
        self.clones: dict[str, CloneToken] = dict(state.clones)
        self.clone_logs = dict(state.clone_logs)
        self.token = PresentToken(state.token_label, state.token_serial)
        self.drills = dict(state.drills)
        self.keys = self._key_book(state.keys)

    def _key_book(self, keys: Mapping[Generation, KeyRecord]) -> KeyBook:
        return KeyBook(
            genesis.tree_of(self.domains),
            keys,
            backups=self.backups,
            required=self.policy.keys.backups,
            clones={serial: clone.label for serial, clone in self.clones.items()},
            moment=self.moment,
        )

    def changed(self) -> None:
        """The key book sees domains, policy, backup tokens and clones as they are now."""
        self.keys = self._key_book(self.keys.keys)

    def live(self) -> list[KeyRecord]:
        """The keys that are on the appliance's token, in order."""
        return [key for _, key in sorted(self.keys.keys.items()) if key.state not in GONE]

    def require_backup(self, action: TokenAction, serial: str) -> None:
        """Refuse a serial number that is no backup token's; raises IllegalAction."""
        if serial not in self.backups:
            known = ", ".join(sorted(self.backups)) or "none"
            raise IllegalAction(
                f"{action_name(action)}: token {serial} is no backup token of this ledger; it has: {known}"
            )

    def require_free(self, action: TokenAction, serial: str) -> None:
        """Refuse a token that is the appliance's, a backup token or a clone; raises IllegalAction."""
        if serial == self.token.serial or serial in self.backups or serial in self.clones:
            raise IllegalAction(f"{action_name(action)}: token {serial} has a part in this ledger already")
