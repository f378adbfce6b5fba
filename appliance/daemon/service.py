"""The daemon's heart: what is in force, and the one way in which numbers are converted and answered.

Everything the HTTP side needs is here: the policy snapshot, the lanes, the audit log and the engines.
The service is told by the supervisor what happens to engines, and it decides when the daemon stops.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata

from appliance.audit import records
from appliance.audit.commit import GroupCommit
from appliance.audit.errors import AuditUnavailable
from appliance.audit.log import AuditLog
from appliance.audit.tagindex.index import TagIndex
from appliance.audit.tally import Tally
from appliance.configuration import Configuration
from appliance.daemon import log
from appliance.daemon.charges import Charge, Charges
from appliance.daemon.checkpoints import Checkpointer
from appliance.daemon.deadlines import Deadlines
from appliance.daemon.lanes import Lanes
from appliance.daemon.limits import Bucket, Room
from appliance.daemon.logview import LogView
from appliance.daemon.measures import Measures
from appliance.daemon.opening import read_ledger
from appliance.daemon.orders import Orders
from appliance.daemon.pauses import Pauses
from appliance.daemon.policy import Snapshot
from appliance.daemon.problems import Problem
from appliance.daemon.seats import Party
from appliance.daemon.sockets import Caller
from appliance.daemon.witnesses import Witnesses
from appliance.engine.frames import Failed
from appliance.engine.link import EngineFailed, Link
from appliance.engine.places import LedgerMoved, LeftOut, Places
from appliance.engine.supervisor import Launch, Supervisor
from appliance.errors import KagimoriError
from appliance.ledger.actions import action_name, subject_of
from appliance.ledger.chain import Entry

MOST_STREAMS = 40
MOST_STREAMS_OF_ONE = 32  # of one user on one socket, so that there are some for others
MOST_BODY_BYTES = 64 << 20  # of questions and large answers, all together; parsed, one takes several times as much
MOST_MOVES = 3
UNREADY = ("stopping", "audit_unavailable", "cosignature_overdue", "token_unavailable")
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


@dataclass(frozen=True)
class Books:
    """The log with all that is derived from it, as it was opened and verified. ``began``: its first record, POSIX."""

    log: AuditLog
    index: TagIndex
    tally: Tally
    began: int


class Service:
    """One daemon's state. ``stop`` is set when it shall end; ``failure`` if for a bad reason."""

    def __init__(self, config: Configuration, books: Books, audit: GroupCommit, launch: Launch) -> None:
        self.config = config
        self.audit = audit
        self.audit_log = books.log
        self.tag_index = books.index
        self.began = books.began
        audit.on_change = self.audit_changed
        self.measures = Measures(self.roles)
        audit.on_group = self.measures.group
        self.lanes = Lanes(self.measures.stages)
        self.pauses = Pauses()
        places = [Places(token.number, token.label, token.processes) for token in config.tokens]
        self.supervisor = Supervisor(places, launch, self.lanes, self)
        self.lanes.kick = self.supervisor.kick
        self.snapshot: Snapshot | None = None
        self.ledger_finished: str | None = None  # when its newest entry was carried out
        self.buckets: dict[str, Bucket] = {}
        self.room = Room(MOST_BODY_BYTES)
        self.stop = asyncio.Event()
        self.reason = "defect"
        self.failure: Failed | None = None
        self.stopping = False
        self.version = version()
        self.deadlines = Deadlines(2 * config.engine.deadline_seconds + EXTRA_SECONDS)
        self._clock = asyncio.get_running_loop().time
        self.charges = Charges(books.tally, self.measures.converted)
        self.orders = Orders()
        self.witnesses = Witnesses(books.log, config.origin, lambda: self.in_force.state, books.began)
        self.checkpointer = Checkpointer(
            books.log, self.lanes, config.origin, lambda: self.in_force.state, self._checkpoint_refused
        )
        self.log_view = LogView(
            books.log, self.witnesses, config.ledger.directory, lambda: self.in_force.state.sequence
        )
        self.on_reload: Callable[[bool], None] = lambda over: None
        self._loaded: asyncio.Future[int] | None = None
        self._ceremonies = books.log.last_ceremony
        self._reload = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: Counter[Party] = Counter()
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
        """The code of what keeps the daemon from converting now, one of `UNREADY`; None if nothing does."""
        if self.stopping:
            return "stopping"
        if not self.audit.available:
            return "audit_unavailable"
        if self.snapshot is not None and self._overdue():
            return "cosignature_overdue"
        return None if self.supervisor.serving else "token_unavailable"

    def now(self) -> float:
        """The event loop's time, seconds."""
        return self._clock()

    def admit(self) -> None:
        """Before any conversion.

        Raises:
            Problem: stopping, audit_unavailable, cosignature_overdue, token_unavailable. An engine that is
                just being replaced is waited for.
        """
        self.admit_reading()
        self.witnesses.require_fresh()

    def admit_reading(self) -> None:
        """Before a look into the log that needs the token: as `admit`, however old the co-signing is.

        Raises:
            Problem: stopping, audit_unavailable, token_unavailable.
        """
        if self.stopping:
            raise Problem("stopping")
        if not self.audit.available:
            raise Problem("audit_unavailable")
        if self.supervisor.down:
            raise Problem("token_unavailable")

    def _overdue(self) -> bool:
        try:
            self.witnesses.require_fresh()
        except Problem:
            return True
        return False

    async def record(self, record: records.Record) -> int:
        """The record's number, once it is durable.

        Raises:
            Problem: audit_unavailable, deadline_exceeded.
        """
        return await self.durable(self.audit.append(record))

    def append_conversion(self, record: records.Conversion, tags: bytes, charge: Charge) -> asyncio.Future[int]:
        """Have a conversion recorded, and counted against quotas and orders; `durable` waits for it.

        ``tags``: the subject tags of the converted numbers.
        """
        return self.audit.append(record, tags, told=charge.commit(record))

    async def durable(self, written: asyncio.Future[int]) -> int:
        """The record's number, once it is on the disk. Whoever gives up waiting does not unmake the record.

        Raises:
            Problem: audit_unavailable, deadline_exceeded.
        """
        self.deadlines.watch(written)
        try:
            number = await written
        except AuditUnavailable:
            raise Problem("audit_unavailable") from None
        self.checkpointer.note()
        return number

    async def refuse(
        self,
        caller: Caller,
        code: str,
        names: tuple[str | None, str | None, str | None] = (None, None, None),
        order: str | None = None,
    ) -> None:
        """Record a refusal; what is not known by the ledger is left out of the record.

        Args:
            caller: who asked.
            code: what it was refused with.
            names: source, target and purpose as they were asked for; None: not told.
            order: digest of the order that came with it.

        Raises:
            Problem: audit_unavailable.
        """
        source, target, purpose = names
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
                order=order,
            )
        )

    def open_stream(self, party: Party) -> int:
        """Count a stream in; its number is unique within this run.

        Raises:
            Problem: overloaded.
        """
        running, own = self._streams.total(), self._streams[party]
        if own >= MOST_STREAMS_OF_ONE or running >= MOST_STREAMS:
            raise Problem("overloaded", f"{running} streams are running already.")
        self._streams[party] += 1
        self._last_stream += 1
        return self._last_stream

    def close_stream(self, party: Party) -> None:
        """Count a stream out."""
        self._streams[party] -= 1

    async def start(self, entries: Sequence[Entry]) -> None:
        """Put the verified ledger in force, start the engines.

        Raises:
            LedgerError: a newer ledger was found meanwhile, and is refused.
            Stopped: the first engine does not serve.
        """
        try:
            await self._adopt(entries)
        except EngineFailed as error:
            raise Stopped(error.failure) from None
        if self._loaded is not None:
            await asyncio.wait((self._loaded,))
        self.witnesses.load()
        self._spawn(self.checkpointer.run())
        self.checkpointer.note()

    async def _adopt(self, entries: Sequence[Entry]) -> None:
        """Put a ledger in force, once an engine that verified the same one serves."""
        for _ in range(MOST_MOVES):
            state = entries[-1].state
            try:
                await self.supervisor.start(state.head, partial(self._put_in_force, entries))
            except LedgerMoved:  # it grew between the two readings
                entries = await asyncio.to_thread(read_ledger, self.config)
            else:
                log.info("ledger loaded", sequence=state.sequence, head=state.head)
                return
        raise LedgerMoved

    def _put_in_force(self, entries: Sequence[Entry]) -> None:
        state = entries[-1].state
        self.snapshot = Snapshot(state, self.roles)
        self.ledger_finished = entries[-1].outcome.finished
        for role, policy in self.snapshot.roles.items():
            limit = policy.rule.values_per_minute
            if role in self.buckets:
                self.buckets[role].resize(limit)
            else:
                self.buckets[role] = Bucket(limit, self._clock)
        for entry in entries:
            if entry.sequence > self._ceremonies:
                self._ceremonies = entry.sequence
                self._note(_ceremony(entry))
        self._loaded = self._note(records.LedgerLoaded(sequence=state.sequence, head=state.head))

    def reload(self) -> None:
        """SIGHUP: take the ledger as it is now, if it is accepted; else go on with the one in force."""
        if self.snapshot is not None:  # else it is being read for the first time anyway
            self._spawn(self._reload_ledger())

    async def _reload_ledger(self) -> None:
        async with self._reload:
            self.on_reload(False)
            try:
                entries = await asyncio.to_thread(read_ledger, self.config)
                if entries[-1].head == self.in_force.state.head:
                    log.info("ledger unchanged", sequence=entries[-1].sequence)
                    return
                await self._adopt(entries)
            except (KagimoriError, EngineFailed) as error:
                message = error.failure.message if isinstance(error, EngineFailed) else error.message
                log.error("reload refused; the ledger from before stays in force", reason=message)
                self._note(records.LedgerRefused(reason=message))
            finally:
                self.on_reload(True)

    def engine_lost(self, link: Link, why: str) -> None:
        """Supervisor: an engine is gone."""
        pid = link.hello.pid
        self.measures.losses[link.hello.token.label, link.end] += 1
        log.warning("engine lost", pid=pid, why=why)
        self._note(records.EngineLost(pid=pid, reason=why))

    def engine_regained(self, pid: int) -> None:
        """Supervisor: another one serves."""
        log.info("engine regained", pid=pid)
        self._note(records.EngineRegained(pid=pid))

    def left_out(self, label: str, why: LeftOut) -> None:
        """Supervisor: a token has no engine, or gets no new one."""
        until = "the next reload" if why.for_good else "it serves again"
        log.warning("token left out", token=label, reason=why.failure.reason, why=why.failure.message, until=until)

    def back(self, label: str) -> None:
        """Supervisor: it has one again."""
        log.info("token back", token=label)

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
        """The audit log stopped working, or works again."""
        if trouble is None:
            log.info("audit log writes again")
        else:
            self.measures.audit_failures += 1
            log.error("audit log cannot be written; nothing is converted", reason=trouble)

    def _checkpoint_refused(self) -> None:
        log.error("the engine has signed another log than this one; nothing is converted until somebody has looked")
        self.audit.condemn("the engine has signed another log than this one")

    def _note(self, record: records.Record) -> asyncio.Future[int]:
        """Record something that mostly nobody waits for."""

        def done(durable: asyncio.Future[int]) -> None:
            if not durable.cancelled() and durable.exception() is None:
                self.checkpointer.note()

        noted = self.audit.append(record)
        noted.add_done_callback(done)
        return noted

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, seconds: float) -> None:
        """End what runs beside the requests, and the engines."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.deadlines.close()
        await self.supervisor.close(seconds)


def _ceremony(entry: Entry) -> records.Ceremony:
    return records.Ceremony(
        sequence=entry.sequence,
        head=entry.head,
        title=entry.plan.title,
        actions=tuple(f"{action_name(action)} {subject_of(action)}" for action in entry.plan.actions),
        finished=entry.outcome.finished,
    )
