"""The daemon's life: start in the one safe order, serve, stop without losing what was accepted.

Start: configuration → audit store (and its lock) → ledger → engines → sockets. Nothing listens before
everything works. SIGTERM or SIGINT: stop listening, answer what was accepted, end the engines, write the
stop record, remove the sockets. SIGHUP loads the ledger again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from appliance import configuration
from appliance.audit import records
from appliance.audit.commit import GroupCommit
from appliance.audit.errors import AuditUnavailable
from appliance.audit.store import AuditStore
from appliance.configuration import Configuration, ConfigurationError
from appliance.daemon import log
from appliance.daemon.app import Door
from appliance.daemon.service import Service, Stopped, version
from appliance.daemon.sockets import Listener
from appliance.daemon.wire import Server
from appliance.engine.link import Link, Work
from appliance.errors import KagimoriError

GRACE_SECONDS = 10.0
STREAM_GRACE_SECONDS = 8.0
ENGINE_GRACE_SECONDS = 3.0


async def serve(config_path: Path) -> None:
    """Run the daemon until it is asked to stop.

    Raises:
        KagimoriError: it could not start, or could not go on; what had begun is undone.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # people's numbers pass through its memory
    asyncio.get_running_loop().set_exception_handler(_report)
    config = configuration.load(config_path)
    if not config.sockets:
        raise ConfigurationError(f"{config_path}: no [[socket]]", "name a role and a path for at least one socket")
    await _Daemon(config, config_path).run()


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio would print with a traceback, told without the text of any exception."""
    fault = context.get("exception")
    if isinstance(fault, BaseException):
        log.defect("event loop", fault)
    else:
        log.error("event loop", message=context.get("message", ""))


class _Front:
    """One role's listening socket with the server behind it."""

    def __init__(self, service: Service, listener: Listener) -> None:
        self.listener = listener
        self.door = Door(service, listener)
        self.server = Server(self.door.handle, listener.role)
        self._accepting: asyncio.Server | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._accepting = await loop.create_unix_server(self.server, sock=self.listener.socket, backlog=1_024)

    def stop_listening(self) -> None:
        if self._accepting is not None:
            self._accepting.close()
        self.listener.remove()


class _Daemon:
    def __init__(self, config: Configuration, path: Path) -> None:
        self._config = config
        self._path = path
        self._fronts: list[_Front] = []

    async def run(self) -> None:
        store = AuditStore.open(self._config.audit.directory)
        audit = GroupCommit(store)
        service = Service(self._config, audit, self._launch)
        with _signals(service):
            try:
                await self._record_first(audit, store.repaired)
                await self._run(service)
            finally:
                await service.close(ENGINE_GRACE_SECONDS)
                await self._record_last(audit, service.reason)
                await audit.close(ENGINE_GRACE_SECONDS)
                store.close()

    async def _launch(self, on_free: Callable[[], None], on_lost: Callable[[Link, list[Work]], None]) -> Link:
        return await Link.start(self._path, self._config.engine.deadline_seconds, on_free, on_lost)

    async def _record_first(self, audit: GroupCommit, repaired: int) -> None:
        roles = tuple(section.role for section in self._config.sockets)
        try:
            if repaired:
                log.warning("audit store repaired: a torn last line was removed", bytes=repaired)
                await audit.append(records.Repair(removed=repaired))
            await audit.append(records.Start(version=version(), pid=os.getpid(), roles=roles))
        except AuditUnavailable as error:
            raise ConfigurationError(
                f"audit store {self._config.audit.directory}: {error.message}", "is the disk full?"
            ) from None

    async def _record_last(self, audit: GroupCommit, reason: str) -> None:
        try:
            await asyncio.wait_for(audit.append(records.Stop(reason=reason)), ENGINE_GRACE_SECONDS)
        except (AuditUnavailable, TimeoutError):
            log.error("the stop could not be recorded")

    async def _run(self, service: Service) -> None:
        """Start, serve, stop; a signal or a failure ends the start as well."""
        starting = asyncio.create_task(self._start(service))
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

    async def _start(self, service: Service) -> None:
        await service.start()
        self._check_roles(service)
        for section in self._config.sockets:
            self._fronts.append(_Front(service, Listener(section)))
        for front in self._fronts:
            await front.open()
            log.info("listening", role=front.listener.role, socket=front.listener.path)
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

    async def _wait_for_requests(self, until: float) -> None:
        """Until every request that was accepted is answered, or the time is over."""
        loop = asyncio.get_running_loop()
        while any(front.door.in_flight for front in self._fronts) and loop.time() < until:
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def _signals(service: Service) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    handlers = {
        signal.SIGTERM: lambda: service.end("SIGTERM"),
        signal.SIGINT: lambda: service.end("SIGINT"),
        signal.SIGHUP: service.reload,
    }
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
