"""What systemd is told of the daemon: ready, reloading, stopping, one line of status, and that it is alive.

The sign of life follows a self-test that every engine came through; without one systemd starts the daemon anew. Without
any engine (the token is gone) it goes on: a new start would bring no token back, and would tell callers less. That is
unless the last tests failed in a row: then it is no token that is gone, but engines that come and fail.
"""

from __future__ import annotations

import asyncio

from appliance.daemon import log
from appliance.daemon.selftest import SelfTest
from appliance.daemon.service import Service
from appliance.systemd import Manager

ROUNDS_PER_WATCHDOG = 3
MOST_FAILED = 3
STATUS_SECONDS = 10.0


class Heartbeat:
    """One daemon's. ``self_test``: None while nobody wants a sign of life, and so none is made."""

    def __init__(self, manager: Manager, service: Service) -> None:
        self._manager = manager
        self._service = service
        self.self_test = SelfTest(lambda: service.supervisor.serving) if manager.watchdog else None
        self._every = STATUS_SECONDS if manager.watchdog is None else manager.watchdog / ROUNDS_PER_WATCHDOG
        self._task: asyncio.Task[None] | None = None
        service.measures.self_test = self.self_test
        service.on_reload = self._reload

    async def begin(self) -> None:
        """Everything listens. Ready is said after a first self-test; one that fails leaves it unsaid."""
        if self._manager.address is None:
            return
        if self.self_test is not None:
            while not await self.self_test.round():
                log.warning("self-test not passed; not ready yet", failed=self.self_test.failed)
                await asyncio.sleep(self._every)
        self._manager.ready(self.status)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self.beat()

    async def beat(self) -> None:
        """One sign of life, if the self-test gives reason for it."""
        if self._service.stopping or self.self_test is None or await self._passes(self.self_test):
            self._manager.alive(self.status)
        else:
            log.error("self-test not passed; systemd gets no sign of life", failed=self.self_test.failed)
            self._manager.status("self-test not passed")

    async def _passes(self, self_test: SelfTest) -> bool:
        passed = await self_test.round()
        return self_test.failed_in_a_row < MOST_FAILED if passed is None else passed

    def _reload(self, over: bool) -> None:
        if self._task is None:  # not ready yet
            return
        if over:
            self._manager.ready(self.status)
        else:
            self._manager.reloading()

    @property
    def status(self) -> str:
        """One line for a person."""
        service = self._service
        if (code := service.unready) is not None:
            return f"not converting: {code}"
        engines = len(service.supervisor.serving)
        return (
            f"converting with {engines} engine{'s' if engines != 1 else ''}, ledger {service.in_force.state.sequence}"
        )

    async def end(self) -> None:
        """Nothing is told any more; until then, a daemon that stops is alive."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
