"""The log as a daemon serves it on the socket of a role that may read it (C2SP tlog-tiles below ``/v1/log``)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from appliance.hubkit.client import Client
from appliance.hubkit.errors import ConnectionLost, ProtocolError, Refused
from appliance.hubkit.wire import document
from appliance.oversight.copy import CHECKPOINT, COSIGNED, LEDGER
from appliance.oversight.errors import PieceMissing, PiecePruned, PieceWrong
from appliance.oversight.source import largest
from appliance.tlog.tiles import Tile

LEDGER_FILE = re.compile(r"[0-9]{6}\.(authorization|outcome|(attempt|refusal)\.[1-9][0-9]{0,3})\.cms", re.ASCII)


class Remote:
    """A daemon's log, as a `appliance.oversight.source.Source`. The ledger's files never change: each is fetched once.

    Every call raises what `appliance.hubkit.client.Client` raises when there is no answer, and Refused.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ledger: dict[str, bytes] = {}

    def checkpoint(self) -> bytes:
        """The newest checkpoint."""
        return self._piece(CHECKPOINT)

    def cosigned(self) -> bytes | None:
        """The newest checkpoint with cosignatures, or None."""
        try:
            return self._piece(COSIGNED)
        except PieceMissing:
            return None

    def tile(self, tile: Tile) -> bytes:
        """A tile or bundle.

        Raises:
            PieceMissing, PiecePruned, PieceWrong: it is not there, no more, or too large to be one.
        """
        data = self._piece(tile.path)
        if len(data) > largest(tile):
            raise PieceWrong(f"{tile.path}: {len(data)} bytes; no such piece is so large")
        return data

    def ledger(self) -> Mapping[str, bytes]:
        """The files of the ledger by name.

        Raises:
            ProtocolError: the answer lists what cannot be a ledger's file.
        """
        names = _names(document(self._piece(LEDGER)))
        for name in names:
            if name not in self._ledger:
                self._ledger[name] = self._piece(f"{LEDGER}/{name}")
        return {name: self._ledger[name] for name in names}

    def _piece(self, path: str) -> bytes:
        try:
            return self._again(path)
        except Refused as error:
            if error.code == "gone":
                raise PiecePruned(f"{path}: removed, older than the retention") from None
            if error.code == "not_found":
                raise PieceMissing(f"{path}: the daemon does not have it") from None
            raise

    def _again(self, path: str) -> bytes:
        """A connection that was kept open may have been closed meanwhile; reading twice does no harm."""
        try:
            return self._client.log_piece(path)
        except ConnectionLost:
            return self._client.log_piece(path)


def _names(said: object) -> list[str]:
    """The names are used as file names, so nothing but a ledger's own get through."""
    listed = said.get("files") if isinstance(said, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, str) and LEDGER_FILE.fullmatch(one) for one in listed):
        raise ProtocolError("the daemon's list of ledger files is not one")
    return sorted(set(listed))
