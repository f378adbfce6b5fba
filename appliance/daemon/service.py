"""The daemon's heart: what is in force, and the one way in which numbers are converted and answered.

Everything the HTTP side needs is here: the policy snapshot, the lanes, the audit store and the engines.
The service is told by the supervisor what happens to engines, and it decides when the daemon stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from importlib import metadata

from appliance.audit import records
from appliance.audit.commit import GroupCommit
from appliance.audit.errors import AuditUnavailable
from appliance.configuration import Configuration
from appliance.daemon import log
from appliance.daemon.deadlines import Deadlines
from appliance.daemon.lanes import Lanes
from appliance.daemon.limits import Bucket
from appliance.daemon.policy import Snapshot
from appliance.daemon.problems import Problem
from appliance.daemon.sockets import Caller
from appliance.engine.frames import Failed
from appliance.engine.link import EngineFailed
from appliance.engine.supervisor import Launch, LedgerMoved, Supervisor
from appliance.errors import KagimoriError
from appliance.ledger import chain, files
from appliance.ledger.fold import LedgerState

MOST_STREAMS = 32
MOST_MOVES = 3
EXTRA_SECONDS = 5.0  # on top of two engine deadlines: a restart, the disk


def version() -> str:
    """Kagimori's own version, as installed."""
    try:
        return metadata.version("kagimori")
    except metadata.PackageNotFoundError:
        return "unpackaged"


class Stopped(KagimoriError):
    """The daemon ended because going on was no use; the exit code is that of the reason."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message, failure.hint)
        self.exit_code = failure.exit_code  # type: ignore[misc]  # the class's default is replaced on purpose


class Service:
    """One daemon's state. ``stop`` is set when it shall end; ``failure`` if for a bad reason."""

    def __init__(self, config: Configuration, audit: GroupCommit, launch: Launch) -> None:
        self.config = config
        self.audit = audit
        audit.on_change = self.audit_changed
        self.lanes = Lanes()
        self.supervisor = Supervisor(config.engine.processes, launch, self.lanes, self)
        self.lanes.kick = self.supervisor.kick
        self.snapshot: Snapshot | None = None
        self.buckets: dict[str, Bucket] = {}
        self.stop = asyncio.Event()
        self.reason = "defect"
        self.failure: Failed | None = None
        self.stopping = False
        self.version = version()
        self.deadlines = Deadlines(2 * config.engine.deadline_seconds + EXTRA_SECONDS)
        self._clock = asyncio.get_running_loop().time
        self._reload = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams = 0
        self._last_stream = 0

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a socket."""
        return tuple(section.role for section in self.config.sockets)

    @property
    def in_force(self) -> Snapshot:
        """The policy in force; there is one as soon as sockets listen."""
        assert self.snapshot is not None  # noqa: S101
        return self.snapshot

    @property
    def unready(self) -> str | None:
        """The code of what keeps the daemon from converting now, None if nothing does."""
        if self.stopping:
            return "stopping"
        if not self.audit.available:
            return "audit_unavailable"
        return None if self.supervisor.serving else "token_unavailable"

    def admit(self) -> None:
        """Before any conversion.

        Raises:
            Problem: stopping, audit_unavailable, token_unavailable. An engine that is just being replaced
                is waited for.
        """
        if self.stopping:
            raise Problem("stopping")
        if not self.audit.available:
            raise Problem("audit_unavailable")
        if self.supervisor.down:
            raise Problem("token_unavailable")

    async def record(self, record: records.Record) -> int:
        """The record's number, once it is durable.

        Raises:
            Problem: audit_unavailable, deadline_exceeded.
        """
        durable = self.audit.append(record)
        self.deadlines.watch(durable)
        try:
            return await durable
        except AuditUnavailable:
            raise Problem("audit_unavailable") from None

    async def refuse(
        self, caller: Caller, code: str, source: str | None, target: str | None, purpose: str | None
    ) -> None:
        """Record a refusal; what is not known by the ledger is left out of the record.

        Raises:
            Problem: audit_unavailable.
        """
        known = self.in_force
        await self.record(
            records.Refusal(
                role=caller.role,
                uid=caller.uid,
                gid=caller.gid,
                pid=caller.pid,
                code=code,
                source=None if source is None else known.known_name(source),
                target=None if target is None else known.known_name(target),
                purpose=None if purpose is None else known.known_purpose(purpose),
            )
        )

    def open_stream(self) -> int:
        """Count a stream in; its number is unique within this run.

        Raises:
            Problem: overloaded.
        """
        if self._streams >= MOST_STREAMS:
            raise Problem("overloaded", f"{MOST_STREAMS} streams are running already.")
        self._streams += 1
        self._last_stream += 1
        return self._last_stream

    def close_stream(self) -> None:
        """Count a stream out."""
        self._streams -= 1

    async def start(self) -> None:
        """Verify the ledger, start the engines.

        Raises:
            LedgerError: the ledger is refused.
            Stopped: the first engine does not serve.
        """
        try:
            await self._adopt(await asyncio.to_thread(self._read_ledger))
        except EngineFailed as error:
            raise Stopped(error.failure) from None

    def _read_ledger(self) -> LedgerState:
        return chain.verify(files.read(self.config.ledger.directory), self.config.ledger.trust_anchor)

    async def _adopt(self, state: LedgerState) -> None:
        """Put a ledger in force, once an engine that verified the same one serves."""
        for _ in range(MOST_MOVES):
            try:
                await self.supervisor.start(state.head, partial(self._put_in_force, state))
            except LedgerMoved:  # it grew between the two readings
                state = await asyncio.to_thread(self._read_ledger)
            else:
                log.info("ledger loaded", sequence=state.sequence, head=state.head)
                return
        raise LedgerMoved

    def _put_in_force(self, state: LedgerState) -> None:
        self.snapshot = Snapshot(state, self.roles)
        for role, policy in self.snapshot.roles.items():
            limit = policy.rule.values_per_minute
            if role in self.buckets:
                self.buckets[role].resize(limit)
            else:
                self.buckets[role] = Bucket(limit, self._clock)
        self._note(records.LedgerLoaded(sequence=state.sequence, head=state.head))

    def reload(self) -> None:
        """SIGHUP: take the ledger as it is now, if it is accepted; else go on with the one in force."""
        if self.snapshot is not None:  # else it is being read for the first time anyway
            self._spawn(self._reload_ledger())

    async def _reload_ledger(self) -> None:
        async with self._reload:
            try:
                state = await asyncio.to_thread(self._read_ledger)
                if state.head == self.in_force.state.head:
                    log.info("ledger unchanged", sequence=state.sequence)
                    return
                await self._adopt(state)
            except (KagimoriError, EngineFailed) as error:
                message = error.failure.message if isinstance(error, EngineFailed) else error.message
                log.error("reload refused; the ledger from before stays in force", reason=message)
                self._note(records.LedgerRefused(reason=message))

    def engine_lost(self, pid: int, why: str) -> None:
        """Supervisor: an engine is gone."""
        log.warning("engine lost", pid=pid, why=why)
        self._note(records.EngineLost(pid=pid, reason=why))

    def engine_regained(self, pid: int) -> None:
        """Supervisor: another one serves."""
        log.info("engine regained", pid=pid)
        self._note(records.EngineRegained(pid=pid))

    def ledger_moved(self) -> None:
        """Supervisor: a new engine found a newer ledger."""
        log.info("the ledger has changed; loading it")
        self.reload()

    def fatal(self, failure: Failed) -> None:
        """Supervisor: no engine will ever serve."""
        log.error("cannot go on", reason=failure.reason, message=failure.message)
        self.failure = self.failure or failure
        self.end(failure.reason)

    def end(self, reason: str) -> None:
        """Ask the daemon to stop."""
        if not self.stop.is_set():
            self.reason = reason
            self.stop.set()

    def audit_changed(self, trouble: str | None) -> None:
        """The audit store stopped working, or works again."""
        if trouble is None:
            log.info("audit store writes again")
        else:
            log.error("audit store cannot be written; nothing is converted", reason=trouble)

    def _note(self, record: records.Record) -> None:
        """Record something that nobody waits for."""
        self.audit.append(record).add_done_callback(lambda done: done.cancelled() or done.exception())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, seconds: float) -> None:
        """End the engines."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.deadlines.close()
        await self.supervisor.close(seconds)
