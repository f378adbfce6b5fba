"""The log as the oversight body reads it: checkpoint, tiles, entry bundles, ledger files; and its cosignatures.

The paths are C2SP tlog-tiles under ``/v1/log``. A role reads them only if the policy says so (``log``); to all
others there is nothing at these paths.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.audit.errors import AuditDamaged, RecordPruned, TileMissing
from appliance.audit.log import AuditLog
from appliance.daemon import log
from appliance.daemon.bodies import read_body
from appliance.daemon.exchange import Request
from appliance.daemon.problems import Problem
from appliance.daemon.wire import Reply, json_reply
from appliance.daemon.witnesses import Witnesses
from appliance.tlog import note as notes
from appliance.tlog import tiles
from appliance.tlog.errors import TlogError

PREFIX = "/v1/log/"
COSIGNATURES = "cosignatures"
LARGEST_NOTE = 65_536
_PAIR = (".authorization.cms", ".outcome.cms")
_LEDGER_FILE = re.compile(r"[0-9]{6}\.(authorization|outcome|(attempt|refusal)\.[1-9][0-9]{0,3})\.cms", re.ASCII)


class LogView:
    """Answers for one log. ``sequence``: gives the newest entry in force; files of later ones may be half written."""

    def __init__(self, audit: AuditLog, witnesses: Witnesses, ledger: Path, sequence: Callable[[], int]) -> None:
        self._sequence = sequence
        self._audit = audit
        self._witnesses = witnesses
        self._ledger = ledger

    async def get(self, path: str) -> Reply:
        """What is at a path below `PREFIX`.

        Raises:
            Problem: not_found, gone.
        """
        if path == "checkpoint":
            return _text(self._newest())
        if path == "cosigned":
            return _text(self._audit.cosigned)
        if path.startswith("tile/"):
            return _octets(await asyncio.to_thread(self._tile, path))
        if path == "ledger" or path.startswith("ledger/"):
            return await asyncio.to_thread(self._ledger_file, path.removeprefix("ledger").removeprefix("/"))
        raise Problem("not_found")

    def _newest(self) -> bytes | None:
        """The newest checkpoint, with its cosignatures if it is the co-signed one."""
        newest, cosigned = self._audit.checkpoint, self._audit.cosigned
        if newest is None or cosigned is None:
            return newest
        return cosigned if notes.parse(cosigned).text == notes.parse(newest).text else newest

    def _tile(self, path: str) -> bytes:
        try:
            return self._audit.tile(tiles.parse_path(path))
        except RecordPruned:
            raise Problem("gone") from None
        except AuditDamaged as error:
            log.error("a part of the log that was asked for is damaged", reason=error.message)
            raise Problem("internal") from None
        except (TileMissing, TlogError):
            raise Problem("not_found") from None

    def _ledger_file(self, name: str) -> Reply:
        if not name:
            names = sorted(path.name for path in self._ledger.iterdir() if self._is_entrys(path.name))
            return json_reply(msgspec.json.encode({"files": names}))
        try:
            if self._is_entrys(name):
                return _octets((self._ledger / name).read_bytes())
        except OSError:
            pass
        raise Problem("not_found")

    def _is_entrys(self, name: str) -> bool:
        """Whether it is a file of an entry in force, or an annex of the next one; a later entry may be half written."""
        if _LEDGER_FILE.fullmatch(name) is None:
            return False
        newest = self._sequence()
        return int(name[:6]) <= (newest if name.endswith(_PAIR) else newest + 1)

    async def take_cosignatures(self, request: Request) -> Reply:
        """Cosignatures handed in.

        Raises:
            Problem: malformed_request.
        """
        body = await read_body(request, LARGEST_NOTE, "malformed_request")
        try:
            size, names = await asyncio.to_thread(self._witnesses.accept, body)
        except OSError:
            raise Problem("audit_unavailable") from None
        return json_reply(msgspec.json.encode({"size": size, "accepted": names}))


def _text(note: bytes | None) -> Reply:
    if note is None:
        raise Problem("not_found", "There is no such checkpoint yet.")
    return Reply(note, {"Content-Type": "text/plain; charset=utf-8"})


def _octets(data: bytes) -> Reply:
    return Reply(data, {"Content-Type": "application/octet-stream"})
