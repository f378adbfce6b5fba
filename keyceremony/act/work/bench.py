"""One run at work: its journal, its tokens, and the four kinds of step there are.

A step that a run before this one has done is not done again; one that was begun and not finished is begun anew, after
what it may have left was removed. So carrying out and going on after a break are the same code.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from appliance.ledger.state import LedgerState
from appliance.token.token import Token
from keyceremony.act.desk import Desk
from keyceremony.act.journal import Journal
from keyceremony.errors import JournalMismatch

Facts = dict[str, Any]
T = TypeVar("T")
STAGING = "staging "
"""What the label of a key begins with until the key was verified."""


@dataclass(frozen=True)
class Bench:
    """``told`` is called with each step as it begins, in words."""

    journal: Journal
    desk: Desk
    state: LedgerState | None
    told: Callable[[str], None] = lambda what: None

    def make(
        self,
        step: str,
        serial: str,
        what: str,
        making: Callable[[bytes], Facts | None],
        *,
        key_id: bytes | None = None,
    ) -> tuple[bytes, Facts]:
        """Have something made under a CKA_ID (random unless given); the CKA_ID, and what the making told.

        Raises:
            JournalMismatch: the journal says it was made, and it is not there.
        """
        noted = self.journal.find(step, "make")
        if noted is None:
            noted = {"token": serial, "key_id": (key_id or secrets.token_bytes(16)).hex(), "what": what}
            self.journal.write(step, "make", **noted)
        made_id = bytes.fromhex(noted["key_id"])
        done = self.journal.find(step, "made")
        if done is not None:
            if self.journal.find(step, "erase") is None:
                self._require(self.desk.token(serial), made_id, what)
            return made_id, done
        self.told(what)
        if self.journal.resumed:
            self.desk.token(serial).remove(made_id)
        facts = making(made_id) or {}
        self.journal.write(step, "made", **facts)
        return made_id, facts

    def do(self, step: str, doing: Callable[[], None]) -> None:
        """A step that may be repeated without harm."""
        if self.journal.find(step, "did") is None:
            self.journal.write(step, "do")
            doing()
            self.journal.write(step, "did")

    def once(self, step: str, kind: type[T], doing: Callable[[], T]) -> T:
        """What ``doing`` answers, or what it answered when it was done before."""
        done = self.journal.find(step, "did")
        if done is not None:
            return msgspec.convert(done["answer"], kind)
        self.journal.write(step, "do")
        answer = doing()
        self.journal.write(step, "did", answer=msgspec.to_builtins(answer))
        return answer

    def erase(self, step: str) -> None:
        """Remove what ``step`` made, now that it has served."""
        noted = self.journal.find(step, "make")
        if noted is not None and self.journal.find(step, "erased") is None:
            self.journal.write(step, "erase", **noted)
            self.desk.token(noted["token"]).remove(bytes.fromhex(noted["key_id"]))
            self.journal.write(step, "erased")

    def destroy(self, step: str, serial: str, key_id: bytes, what: str) -> None:
        """Remove what was there before this run, and prove its absence. It must be there, unless begun before.

        Raises:
            KeyMissing: it is not there.
        """
        token, begun = self.desk.token(serial), self.journal.find(step, "destroy")
        if begun is not None and not token.has(key_id):
            return
        self.told(what)
        if begun is None:
            self.journal.write(step, "destroy", token=serial, key_id=key_id.hex(), what=what)
        token.destroy(key_id)
        self.journal.write(step, "destroyed")

    def _require(self, token: Token, key_id: bytes, what: str) -> None:
        if not token.has(key_id):
            raise JournalMismatch(
                f"{what}: the journal says that it was made, but {token.facts.label} does not hold {key_id.hex()}",
                "somebody removed it since; keyceremony abort undoes the rest of the run",
            )
