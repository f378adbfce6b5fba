"""Whom oversight believes: the keys that the ledger names, once it has been verified from the trust anchor on.

The ledger comes from the same daemon as the log, but every entry of it is signed by people whom the pinned
anchor begins with; so a checkpoint signed by a key of that ledger is the appliance's own word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.ledger import chain
from appliance.ledger.chain import Entry
from appliance.ledger.servicekeys import log_keys, log_records
from appliance.ledger.state import LedgerState
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation
from appliance.oversight.errors import CheckpointRefused
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Signed
from appliance.tlog.note import VerifierKey

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


@dataclass(frozen=True)
class Trust:
    """A verified ledger, all its entries."""

    entries: tuple[Entry, ...]

    @property
    def state(self) -> LedgerState:
        """What the ledger says now."""
        return self.entries[-1].state

    @property
    def origins(self) -> str:
        """What the origin of every log under this ledger begins with."""
        return f"kagimori/log/{self.state.anchor[:16]}/"

    def keys(self, origin: str) -> dict[VerifierKey, Generation]:
        """The keys that may have signed the log's checkpoints: every generation that was ever activated.

        The log of a clone has the clone's keys, and no other log has them.
        """
        known = log_keys(self.state, self._name(origin)).items()
        return {checkpoints.key(origin, public): made for made, public in known}

    def state_of(self, origin: str, made: Generation) -> KeyState:
        """The state of one of these keys now."""
        return log_records(self.state, self._name(origin))[made].state

    def _name(self, origin: str) -> str:
        return origin.removeprefix(self.origins)

    def witnesses(self) -> tuple[VerifierKey, ...]:
        """The keys of everybody who was a witness by any policy of this ledger, the present ones first."""
        listed = [vkey for entry in reversed(self.entries) for vkey in entry.state.policy.log.witnesses]
        return tuple(VerifierKey.parse(vkey) for vkey in dict.fromkeys(listed))


def of(files: Mapping[str, bytes], anchor: str) -> Trust:
    """What the files of a ledger prove.

    Raises:
        LedgerError: (a subclass) at the first fault, naming the file and the reason.
    """
    return Trust(chain.verify_entries(files, anchor))


def verify(data: bytes, trust: Trust, origin: str | None = None) -> Signed:
    """A checkpoint that a log key of the ledger signed; of the log ``origin`` if that is known, else of any of them.

    Raises:
        CheckpointRefused: of another log than ``origin``, or of one that is not under this ledger.
        TlogError: (a subclass) no checkpoint, or not signed by any of the keys.
    """
    claimed = notes.parse(data).text.partition("\n")[0]
    if origin is not None and claimed != origin:
        raise CheckpointRefused(
            f"the checkpoint is of the log {claimed!r}, not of {origin}", "keep a folder of its own for each log"
        )
    if not claimed.startswith(trust.origins) or not _NAME.fullmatch(claimed.removeprefix(trust.origins)):
        raise CheckpointRefused(
            f"the checkpoint's log is {claimed!r}; logs under this trust anchor are called {trust.origins}NAME",
            "compare the trust anchor with the one read aloud at the genesis ceremony",
        )
    return checkpoints.verify(data, trust.keys(claimed), claimed)
