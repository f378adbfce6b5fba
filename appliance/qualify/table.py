"""What a check is: its id, what it looks at, how much depends on it, and what for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.token import features


class Need(StrEnum):
    """How much depends on a check."""

    REQUIRED = "required"  # without it no production use
    RECOMMENDED = "recommended"  # without it something is harder to find out, or for some people only
    WORKED_AROUND = "worked around"  # Kagimori does without it, everywhere
    MEASURED = "measured"  # a figure, no judgement


@dataclass(frozen=True)
class Purpose:
    """What a token is needed for; ``lack`` and ``cost`` say what is not there without it, and what that means."""

    name: str
    lack: str
    cost: str


CONVERTING = Purpose("converting numbers", "no conversions", "no number can be converted with it")
SEALED = Purpose("keys that never leave", features.CONVERSION.lack, features.CONVERSION.cost)
IDENTITY = Purpose("the ledger's signatures", features.IDENTITY.lack, features.IDENTITY.cost)
LOG = Purpose("the audit log", features.LOG.lack, features.LOG.cost)
BACKUP = Purpose("backup and clones", features.BACKUP.lack, features.BACKUP.cost)
OPERATION = Purpose("operation", "no reliable operation", "what an engine does at a mistake may be the wrong thing")
PEOPLE = Purpose("people's own tokens", "no cards of that kind", "people who decide take P-256 keys")
PURPOSES = (CONVERTING, SEALED, IDENTITY, LOG, BACKUP, OPERATION, PEOPLE)


@dataclass(frozen=True)
class Check:
    """One line of the table. ``otherwise``: what a lack costs, or what is done instead."""

    id: str
    title: str
    need: Need
    purpose: Purpose
    otherwise: str = ""

    @property
    def group(self) -> str:
        """The first word of its id."""
        return self.id.partition(".")[0]


GROUPS = {
    "mechanism": "Mechanisms",
    "key": "Conversion keys: made by the template, kept to",
    "stream": "AES-ECB in running operations",
    "convert": "Numbers through keys on the token",
    "login": "Logging in",
    "process": "Several processes",
    "sign": "Signatures, digests, random bytes",
    "seal": "Sealing",
    "wrap": "From token to token",
    "mistake": "Return codes at typical mistakes",
    "speed": "Speed",
    "threads": "Two threads of one process",
    "scratch": "The scratch objects",
}
