"""The daemon's life: start in the one safe order, serve, stop without losing what was accepted.

Start: configuration → audit log (its lock, verified against itself) → ledger → the log against the ledger → first
record → engines → sockets. Nothing listens before everything works. SIGTERM or SIGINT: stop listening, answer what
was accepted, write the stop record, sign the last checkpoint, end the engines. SIGHUP loads the ledger again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from appliance import configuration, hardening, memory
from appliance.audit import records
from appliance.audit.commit import GroupCommit
from appliance.audit.errors import AuditError, AuditUnavailable
from appliance.audit.log import AuditLog
from appliance.audit.tagindex.index import TagIndex
from appliance.audit.tally import Tally
from appliance.configuration import Configuration
from appliance.daemon import handed, log, opening
from appliance.daemon.accepting import Bounds, Server
from appliance.daemon.app import Door
from appliance.daemon.heartbeat import Heartbeat
from appliance.daemon.metrics.front import MetricsFront
from appliance.daemon.metrics.scrape import families
from appliance.daemon.metrics.standing import SocketFacts
from appliance.daemon.seats import most_connections
from appliance.daemon.service import Books, Service, Stopped, version
from appliance.daemon.sockets import Listener
from appliance.daemon.upkeep import Upkeep
from appliance.engine.frames import Failed
from appliance.engine.link import EngineFailed, Link, Work
from appliance.errors import KagimoriError
from appliance.ledger.chain import Entry
from appliance.ledger.errors import LedgerError
from appliance.systemd import Manager
from appliance.tomlfile import ConfigurationError

GRACE_SECONDS = 10.0
STREAM_GRACE_SECONDS = 8.0
ENGINE_GRACE_SECONDS = 3.0
SWITCH_SECONDS = 0.0005  # the log's and the index's threads may keep requests waiting so long, not 5 ms


async def serve(config_path: Path) -> None:
    """Run the daemon until it is asked to stop.

    Raises:
        KagimoriError: it could not start, or could not go on; what had begun is undone.
    """
    hardening.tell_no_exception_text()
    hardening.forbid_reading()  # people's numbers pass through its memory
    manager = Manager.take()
    if hardening.running_as_root():
        log.warning("running as root, which it never needs; give it a user of its own (docs/operations.md)")
    sys.setswitchinterval(SWITCH_SECONDS)
    memory.keep_freed_memory()
    asyncio.get_running_loop().set_exception_handler(_report)
    config = configuration.load(config_path)
    if not config.sockets:
        raise ConfigurationError(f"{config_path}: no [[socket]]", "name a role and a path for at least one socket")
    await _Daemon(config, config_path, manager).run()


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio would print with a traceback, told without the text of any exception."""
    fault = context.get("exception")
    if isinstance(fault, BaseException):
        log.defect("event loop", fault)
    else:
        log.error("event loop", message=context.get("message", ""))


class _Front:
    """One role's listening socket with the server behind it."""

    def __init__(self, service: Service, listener: Listener, bounds: Bounds) -> None:
        self.listener = listener
        self.door = Door(service, listener)
        self.server = Server(self.door.handle, listener.role, bounds)

    def open(self) -> None:
        self.server.listen(self.listener.socket)

    @property
    def facts(self) -> SocketFacts:
        """For the metrics."""
        role, server, door = self.listener.role, self.server, self.door
        return SocketFacts(role, len(server.connections), server.turned_away, door.in_flight, len(door.streams))

    def stop_listening(self) -> None:
        self.server.stop_listening()
        self.listener.remove()


class _Daemon:
    def __init__(self, config: Configuration, path: Path, manager: Manager) -> None:
        self._config = config
        self._path = path
        self._manager = manager
        self._handed = handed.over(config)
        self._heart: Heartbeat | None = None
        self._connections = most_connections()
        self._fronts: list[_Front] = []
        self._metrics: MetricsFront | None = None

    async def run(self) -> None:
        audit_log = await asyncio.to_thread(opening.open_log, self._config)
        try:
            await self._run_on(audit_log)
        finally:
            audit_log.close()

    async def _run_on(self, audit_log: AuditLog) -> None:
        entries, refused = await asyncio.to_thread(self._read_ledger)
        signed = opening.vouch(audit_log, entries, self._config) if entries else None
        index = await asyncio.to_thread(opening.open_index, self._config, audit_log)
        tally = await asyncio.to_thread(Tally.open, audit_log.directory, audit_log.size, audit_log.read)
        audit = GroupCommit(audit_log, on_written=opening.feeding(index))
        service = Service(self._config, Books(audit_log, index, tally, opening.began(audit_log)), audit, self._launch)
        service.checkpointer.adopt(signed)
        upkeep = self._upkeep(service, index, tally)
        with _signals(service):
            try:
                await self._record_first(audit, audit_log.repaired)
                if refused is not None:
                    service.reason = "start_failed"
                    raise refused
                await self._run(service, entries, upkeep)
            finally:
                await upkeep.close()
                await self._record_last(audit, service)
                await service.close(ENGINE_GRACE_SECONDS)
                await audit.close(ENGINE_GRACE_SECONDS)
                index.close()

    def _read_ledger(self) -> tuple[Sequence[Entry], LedgerError | None]:
        """The verified ledger; or none and why it is refused, since that is to be recorded first."""
        try:
            return opening.read_ledger(self._config), None
        except LedgerError as error:
            return (), error

    def _upkeep(self, service: Service, index: TagIndex, tally: Tally) -> Upkeep:
        async def record(record: records.Record) -> None:
            await service.checkpointer.cover(await service.record(record))

        def damaged(error: AuditError) -> None:
            log.error("the audit log is damaged; nothing is converted until somebody has looked", reason=error.message)
            service.audit.condemn(error.message)

        days = self._config.audit.retention_days
        return Upkeep(service.audit_log, index, tally, days, record, damaged)

    async def _launch(
        self, token: int, on_free: Callable[[], None], on_lost: Callable[[Link, list[Work]], None]
    ) -> Link:
        seat = self._config.tokens[token]
        seconds = self._config.engine.deadline_seconds
        link = await Link.start(self._path, seconds, on_free, on_lost, token, seat.socket)
        wanted, found = seat.label, link.hello.token.label
        if found != wanted:
            link.close()
            await link.wait_end()
            raise EngineFailed(_moved(wanted, found))
        return link

    async def _record_first(self, audit: GroupCommit, repaired: int) -> None:
        roles = tuple(section.role for section in self._config.sockets)
        try:
            if repaired:
                log.warning("audit log repaired: a torn end was removed", bytes=repaired)
                await audit.append(records.Repair(removed=repaired))
            await audit.append(records.Start(version=version(), pid=os.getpid(), roles=roles))
        except AuditUnavailable as error:
            raise ConfigurationError(
                f"audit log {self._config.audit.directory}: {error.message}", "is the disk full?"
            ) from None

    async def _record_last(self, audit: GroupCommit, service: Service) -> None:
        try:
            await asyncio.wait_for(audit.append(records.Stop(reason=service.reason)), ENGINE_GRACE_SECONDS)
        except (AuditUnavailable, TimeoutError):
            log.error("the stop could not be recorded")
        if service.supervisor.serving:
            await service.checkpointer.last(ENGINE_GRACE_SECONDS)

    async def _run(self, service: Service, entries: Sequence[Entry], upkeep: Upkeep) -> None:
        """Start, serve, stop; a signal or a failure ends the start as well."""
        starting = asyncio.create_task(self._start(service, entries, upkeep))
        stopped = asyncio.create_task(service.stop.wait())
        await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
        try:
            if starting.done():
                await starting
            await stopped
        except KagimoriError:
            service.reason = "start_failed"
            raise
        finally:
            for task in (starting, stopped):
                task.cancel()
            await asyncio.gather(starting, stopped, return_exceptions=True)
            await self._stop(service)
        if service.failure is not None:
            raise Stopped(service.failure)

    async def _start(self, service: Service, entries: Sequence[Entry], upkeep: Upkeep) -> None:
        await service.start(entries)
        self._check_roles(service)
        bounds = Bounds.of(self._connections)
        for section in self._config.sockets:
            self._fronts.append(_Front(service, Listener(section, self._handed.get(section.role)), bounds))
        if self._config.metrics is not None:
            tell = partial(families, service, self._fronts)
            metrics = self._config.metrics
            self._metrics = MetricsFront(metrics, service.measures, tell, self._handed.get(metrics.role))
            self._metrics.open()
        for front in self._fronts:
            front.open()
            log.info("listening", role=front.listener.role, socket=front.listener.path)
        upkeep.start()
        memory.settle()
        self._heart = Heartbeat(self._manager, service)
        service.measures.self_test = self._heart.self_test
        await self._heart.begin()
        log.info("ready", pid=os.getpid(), engines=[link.hello.pid for link in service.supervisor.serving])

    def _check_roles(self, service: Service) -> None:
        known = service.in_force.state.policy.roles
        for section in self._config.sockets:
            if section.role not in known:
                raise ConfigurationError(
                    f"{self._path}: [socket.role] the ledger's policy has no role {section.role!r}",
                    f"it has: {', '.join(sorted(known)) or 'none'}",
                )

    async def _stop(self, service: Service) -> None:
        log.info("stopping", reason=service.reason)
        service.stopping = True
        self._manager.stopping()
        for front in self._fronts:
            front.stop_listening()
        begin = asyncio.get_running_loop().time()
        await self._wait_for_requests(begin + STREAM_GRACE_SECONDS)
        for front in self._fronts:
            for stream in tuple(front.door.streams):
                stream.stop()
        await self._wait_for_requests(begin + GRACE_SECONDS)
        for front in self._fronts:
            await front.server.shutdown(0.1)
            front.listener.socket.close()
        if self._metrics is not None:
            await self._metrics.close()
        if self._heart is not None:
            await self._heart.end()

    async def _wait_for_requests(self, until: float) -> None:
        """Until every request that was accepted is answered, or the time is over."""
        loop = asyncio.get_running_loop()
        while any(front.door.in_flight for front in self._fronts) and loop.time() < until:
            await asyncio.sleep(0.01)


def _moved(wanted: str, found: str) -> Failed:
    """An engine reads the configuration anew, so it may be another one than the daemon's."""
    message = f"an engine for the token {wanted!r} came up on {found!r}: the configuration has changed"
    return Failed(reason="configuration", message=message, hint="start the daemon again", exit_code=3)


@contextlib.contextmanager
def _signals(service: Service) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def reload() -> None:
        service.supervisor.try_again()
        service.reload()

    handlers = {
        signal.SIGTERM: lambda: service.end("SIGTERM"),
        signal.SIGINT: lambda: service.end("SIGINT"),
        signal.SIGHUP: reload,
    }
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
