"""Before anything is recorded: the log opened and verified, against itself, the engine's mark and the ledger.

Nothing is written to a log that is not the one this appliance wrote: shorter than a checkpoint that was signed,
with another root hash, or with a ledger recorded that the present one does not contain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from appliance.audit import records
from appliance.audit.entries import Item
from appliance.audit.errors import AuditDamaged, AuditRolledBack
from appliance.audit.log import AuditLog
from appliance.audit.tagindex.index import TagIndex
from appliance.configuration import Configuration
from appliance.daemon import log
from appliance.engine import logmark
from appliance.ledger import chain, files, rollback, servicekeys
from appliance.ledger.chain import Entry
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import TlogError

TAGS = "tags"
TOLD_SECONDS = 5.0
_HINT = "keep the folder as evidence and find out who changed it; docs/oversight-guide.md says what each finding means"


def open_log(config: Configuration) -> AuditLog:
    """The log, as long and with the same root hash as the newest checkpoint that an engine signed.

    Raises:
        AuditError: it is not to be trusted, or cannot be used.
        LogmarkUnusable: the mark cannot be read.
    """
    audit = AuditLog.open(config.audit.directory, progress=_progress("verifying the audit log"))
    try:
        mark = logmark.read(config.state.directory)
        if mark is not None:
            if mark.origin != config.origin:
                raise AuditRolledBack(
                    f"audit log {config.audit.directory}: it is {config.origin}; signed here was {mark.origin}",
                    "correct [audit] name, or give this appliance a [state] directory of its own",
                )
            audit.require_behind(mark.size, bytes.fromhex(mark.root))
    except BaseException:
        audit.close()
        raise
    return audit


def began(audit_log: AuditLog) -> int:
    """When the oldest record that is there was written, POSIX seconds; now if there is none yet."""
    if audit_log.size < audit_log.first:
        return int(time.time())
    return int(datetime.fromisoformat(records.decode(audit_log.entry(audit_log.first)).time).timestamp())


def read_ledger(config: Configuration) -> Sequence[Entry]:
    """The ledger as it is now, verified (but not against the newest one seen: every engine does that).

    Raises:
        LedgerError: it is refused.
    """
    return chain.verify_entries(files.read(config.ledger.directory), config.ledger.trust_anchor)


def vouch(audit: AuditLog, entries: Sequence[Entry], config: Configuration) -> Checkpoint | None:
    """The log's newest checkpoint, if a log key of the ledger signed it and the log recorded this ledger.

    Raises:
        AuditDamaged: the signature is not one of the ledger's log keys.
        LedgerRolledBack, LedgerForked: the log recorded another ledger.
    """
    if audit.last_ledger is not None:
        sequence, head = audit.last_ledger
        rollback.require_not_behind(rollback.Seen(sequence=sequence, head=head), entries)
    if audit.checkpoint is None:
        return None
    origin, log_name = config.origin, config.audit.name
    known = servicekeys.log_keys(entries[-1].state, log_name).values()
    keys = [checkpoints.key(origin, public) for public in known]
    try:
        return checkpoints.verify(audit.checkpoint, keys, origin).checkpoint
    except TlogError as error:
        raise AuditDamaged(f"audit log {audit.directory}: checkpoint: {error.message}", _HINT) from None


def open_index(config: Configuration, audit: AuditLog) -> TagIndex:
    """The index of subject tags; what it lacks it reads from the log by itself.

    Raises:
        AuditUnusable: its folder cannot be used.
    """
    index = TagIndex.open(config.audit.directory / TAGS, audit)
    if index.rebuilt_reason is not None:
        log.warning("the index of subject tags is made anew", reason=index.rebuilt_reason)
    return index


def feeding(index: TagIndex) -> Callable[[int, Sequence[Item]], None]:
    """What the log's writer tells of each group that it made durable."""

    def feed(first: int, items: Sequence[Item]) -> None:
        for number, item in enumerate(items, first):
            index.add(number, item.tags)

    return feed


def _progress(what: str) -> Callable[[int, int], None]:
    """Tell the log of the daemon how far it is, now and then."""
    last = time.monotonic()

    def told(done: int, whole: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TOLD_SECONDS:
            last = time.monotonic()
            log.info(what, bytes=done, of=whole)

    return told
