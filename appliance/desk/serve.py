"""The desk's life: it follows the log and shows it, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from appliance.desk import access, app, settings
from appliance.desk.ceremonies import CeremonyTool
from appliance.desk.following import PATIENCE, Following
from appliance.desk.looking import Looking
from appliance.desk.orderfolder import OrderFolder
from appliance.desk.settings import Desk
from appliance.hubkit.client import Client
from appliance.oversight import files
from appliance.oversight.report.errors import TimeZoneUnknown
from appliance.oversight.report.moments import Clock
from appliance.tomlfile import ConfigurationError
from appliance.web import log, serving


def serve(config: Path) -> None:
    """Run the desk in the foreground.

    Raises:
        KagimoriError: it could not start.
    """
    manager = serving.prepare()
    found = settings.load(config)
    clock = _clock(found.pages.timezone)
    key = None if found.access is None else access.key_of(found.access.key_file)
    files.make_folder(found.log.directory, 0o700)

    def said(event: str) -> None:
        log.said(event)
        manager.stopping() if event == "stopping" else manager.ready(event)

    with files.locked(found.log.directory), Client(found.log.socket, timeout=PATIENCE) as client:
        asyncio.run(_serve(found, clock, client, key, said))


def _clock(name: str) -> Clock:
    try:
        return Clock.named(name)
    except TimeZoneUnknown as error:
        raise ConfigurationError(f"[pages.timezone] no such time zone: {name}", error.hint) from None


async def _serve(found: Desk, clock: Clock, client: Client, key: str | None, said: Callable[[str], None]) -> None:
    orders = OrderFolder(found.log.orders)
    looking = Looking(found.log.directory, found.log.trust_anchor, clock, orders)
    asked = found.ceremony
    tool = None if asked is None else CeremonyTool(asked.config, every=asked.every_seconds)
    following = Following(looking, client, tool, found.log.every_seconds)
    work = asyncio.create_task(following.run())
    try:
        await serving.serve(app.application(found, following, clock, key), found.listen, said)
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
