"""Checkpoints: the log's size and root hash, signed by the token's log key, at most one a second.

What a checkpoint covers can no longer be changed or dropped without its signature telling. It is made while
records arrive, on demand (a person's history needs proofs), and last of all when the daemon stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from appliance.audit.log import AuditLog
from appliance.daemon import log
from appliance.daemon.lanes import CheckpointRefused, Lanes
from appliance.daemon.problems import Problem
from appliance.errors import KagimoriError
from appliance.ledger import publickey, servicekeys
from appliance.ledger.state import LedgerState
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.note import VerifierKey

PAUSE_SECONDS = 1.0
RETRY_SECONDS = 1.0


class Checkpointer:
    """Signs and stores checkpoints. ``signed``: the newest one, None before the first.

    ``signed_at``: when that was (`time.monotonic`), or when the daemon came up with one from before.

    ``refused`` is called when the engine remembers another log than this one: somebody changed it while it was in use.
    """

    def __init__(
        self,
        audit: AuditLog,
        lanes: Lanes,
        origin: str,
        state: Callable[[], LedgerState],
        refused: Callable[[], None],
    ) -> None:
        self._refused = refused
        self.signed: Checkpoint | None = None
        self.signed_at = time.monotonic()
        self.trouble: str | None = None
        self._audit = audit
        self._lanes = lanes
        self._origin = origin
        self._log_name = origin.rpartition("/")[2]
        self._state = state
        self._lock = asyncio.Lock()
        self._wanted = asyncio.Event()

    def adopt(self, signed: Checkpoint | None) -> None:
        """The checkpoint that was stored when the daemon started, verified."""
        self.signed = signed

    def note(self) -> None:
        """A record was written."""
        self._wanted.set()

    async def run(self) -> None:
        """Make a checkpoint whenever there is something new; for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.cover(self._audit.size)
            except CheckpointRefused:
                self._refused()
                return
            except (Problem, KagimoriError, OSError) as error:
                self._wanted.set()
                self._told(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._told(None)
                await asyncio.sleep(PAUSE_SECONDS)

    def _told(self, error: Exception | None) -> None:
        """Say a change once."""
        trouble = None if error is None else _words(error)
        if trouble != self.trouble:
            if trouble is None:
                log.info("checkpoints are signed again")
            else:
                log.warning("no checkpoint could be signed", reason=trouble)
        self.trouble = trouble

    async def cover(self, size: int) -> tuple[Checkpoint, bytes]:
        """A signed checkpoint of at least that many records, and its note.

        Raises:
            Problem: no engine can sign now.
            KagimoriError: the signature is not the ledger's log key's.
            OSError: it could not be stored.
        """
        async with self._lock:
            if self.signed is None or self.signed.size < size:
                await self._sign()
            signed, note = self.signed, self._audit.checkpoint
        assert signed is not None and note is not None  # noqa: S101 -- just signed, or stored before
        return signed, note

    async def _sign(self) -> None:
        head = self._audit.head()
        checkpoint = Checkpoint(self._origin, head.size, head.root)
        signature = await self._lanes.sign(checkpoint.text)
        note = notes.render(checkpoints.sign(checkpoint, lambda _: signature, self._key()))
        await asyncio.to_thread(self._audit.store_checkpoint, note)
        self.signed, self.signed_at = checkpoint, time.monotonic()

    def _key(self) -> VerifierKey:
        """The log key that signs now; the signature just made must be by it."""
        record = servicekeys.current_log(self._state(), self._log_name)
        if record is None:
            raise Problem("token_unavailable", "The ledger has no active log key.")
        return checkpoints.key(self._origin, publickey.raw_of(record.public_key))

    async def last(self, seconds: float) -> None:
        """The checkpoint that covers the stop, if an engine still can."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                try:
                    await self.cover(self._audit.size)
                except (Problem, KagimoriError, OSError) as error:
                    log.warning(
                        "the last records have no checkpoint yet; the next start makes it", reason=_words(error)
                    )


def _words(error: Exception) -> str:
    match error:
        case Problem():
            return error.code
        case KagimoriError():
            return error.message
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__
