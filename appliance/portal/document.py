"""A history as a file that anybody can check without the portal: what the appliance answered, as the hub kit reads it.

JSON with ``type``, ``made`` (when), ``complete`` (False: there are older conversions) and ``histories``: answers to
``POST /v1/history``, the newest first. One record's proof is the same with one conversion in it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from appliance.errors import KagimoriError
from appliance.hubkit import history as histories
from appliance.hubkit.history import CosignedTree, History, PastConversion
from appliance.hubkit.wire import NOT_JSON
from appliance.ledger.text import render_instant

TYPE: Literal["kagimori/history/v1"] = "kagimori/history/v1"
LARGEST_FILE = 64 * 1024 * 1024


class DocumentRefused(KagimoriError):
    """A file that is no history."""


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["kagimori/history/v1"]
    made: str
    complete: bool
    histories: tuple[msgspec.Raw, ...]


class _Source(msgspec.Struct, frozen=True):
    source: str


def write(asked: Sequence[History], *, made: datetime, complete: bool) -> bytes:
    """The file's bytes."""
    whole = {
        "type": TYPE,
        "made": render_instant(made),
        "complete": complete,
        "histories": [_history(one) for one in asked],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"


def read(path: Path) -> tuple[History, ...]:
    """The histories in a file; nothing is proven yet.

    Raises:
        DocumentRefused: it cannot be read, is too large, or no history.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DocumentRefused(f"{path}: {error.strerror}", "name a file that the portal gave you") from None
    if len(content) > LARGEST_FILE:
        raise DocumentRefused(f"{path}: larger than {LARGEST_FILE} bytes", "is this the right file?")
    try:
        document = msgspec.json.decode(content, type=_Document)
        sources = [msgspec.json.decode(one, type=_Source).source for one in document.histories]
        return tuple(histories.answer(bytes(one), of) for one, of in zip(document.histories, sources, strict=True))
    except (*NOT_JSON, KagimoriError):
        raise DocumentRefused(f"{path}: not a history", "name a file that the portal gave you") from None


def _history(one: History) -> dict[str, Any]:
    return {
        "source": one.source,
        "size": one.size,
        "root": _text(one.root),
        "checkpoint": one.checkpoint,
        "cosigned": None if one.cosigned is None else _tree(one.cosigned),
        "before": one.before,
        "conversions": [_conversion(conversion) for conversion in one.conversions],
    }


def _tree(one: CosignedTree) -> dict[str, Any]:
    return {"size": one.size, "root": _text(one.root), "checkpoint": one.checkpoint}


def _conversion(one: PastConversion) -> dict[str, Any]:
    return {
        "record": one.record,
        "time": one.time,
        "role": one.role,
        "source": one.source,
        "target": one.target,
        "purpose": one.purpose,
        "reference": one.reference,
        "entry": _text(one.entry),
        "proof": _texts(one.proof),
        "cosigned_proof": None if one.cosigned_proof is None else _texts(one.cosigned_proof),
    }


def _texts(proof: Iterable[bytes]) -> list[str]:
    return [_text(one) for one in proof]


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
