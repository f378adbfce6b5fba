"""Targets: the small files that the log, engines and witnesses remember things in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from appliance.audit import marks, tally
from appliance.engine import headmark, logmark
from appliance.ledger import canonical
from appliance.oversight.errors import OversightError
from appliance.oversight.witness import sealing
from appliance.oversight.witness.state import Head, WitnessState
from tests.fuzz.mutations import any_bytes, changed_json, mutated
from tests.fuzz.target import Target, parsed
from tests.fuzz.targets_log import ORIGIN, cosigned, keys
from tests.fuzz.targets_log import folder as folder_of


def _file(
    name: str, place: str, known: Callable[[], Sequence[bytes]], read: Callable[[Path], Any], refusals: Any
) -> Target:
    """A small file of one form, whatever it holds; ``read`` takes its folder and gives the value it stands for."""

    def probe(data: bytes) -> bool:
        folder = folder_of(name.replace(" ", "-"))
        (folder / place).write_bytes(data)
        return parsed(data, lambda _: read(folder), refusals, lambda value: data if value is None else value)

    return Target(name, lambda: changed_json(known()) | any_bytes(known()), probe)


def _headmarks() -> tuple[bytes, ...]:
    return (
        canonical.encode(
            headmark.Headmark(type="kagimori/ledger-head/v1", anchor="ab" * 32, sequence=3, head="cd" * 32)
        ),
    )


def _logmarks() -> tuple[bytes, ...]:
    mark = logmark.Logmark(type="kagimori/log-head/v1", origin=ORIGIN, size=7, root="ab" * 32)
    return (canonical.encode(mark),)


def _read_headmark(folder: Path) -> bytes | None:
    mark = headmark._read(folder / headmark.FILE_NAME)
    return None if mark is None else canonical.encode(mark)


def _read_logmark(folder: Path) -> bytes | None:
    mark = logmark.read(folder)
    return None if mark is None else canonical.encode(mark)


def _witness_heads() -> tuple[bytes, ...]:
    fields = {"root": "ab" * 32, "note": cosigned()[0].decode(), "key": "log.1", "read": 7, "sequence": 3, "time": 1}
    state = WitnessState(folder_of("witness-made"))
    state.write(Head(anchor="ab" * 32, origin=ORIGIN, size=7, ledger="cd" * 32, **fields))  # type: ignore[arg-type]
    return ((state.folder / "head.json").read_bytes(),)


def _read_witness(folder: Path) -> bytes | None:
    """The digest in the file shows every change, so what is accepted is the original."""
    head = WitnessState(folder).read()
    return None if head is None else _witness_heads()[0]


def _stored_marks() -> tuple[bytes, ...]:
    folder = folder_of("marks-made")
    ledger = marks.LedgerMark(record=3, sequence=2, head="ab" * 32)
    marks.save(folder, marks.Marks(size=9, ledger=ledger, pruned=marks.PrunedMark(record=8, first=5)))
    return ((folder / marks.FILE_NAME).read_bytes(),)


def _read_marks(folder: Path) -> None:
    assert isinstance(marks.load(folder), marks.Marks)


def _tallies() -> tuple[bytes, ...]:
    return (
        b'{"days":{"2026-01-01 hub exchange":7},"orders":{"'
        + b"ab" * 32
        + b'":3},"record":9,"type":"kagimori/tally/v1"}',
    )


def _read_tally(folder: Path) -> None:
    tally._load(folder / tally.FILE_NAME)


def _sealed(data: bytes) -> bool:
    return parsed(data, lambda given: sealing.unseal("key", given, None), OversightError)


def _sealed_inputs() -> st.SearchStrategy[bytes]:
    known = [sealing.seal(key, None) for key in keys()[1:]]
    ders = [base64.b64decode(b"".join(one.splitlines()[1:-1])) for one in known]
    wrapped = mutated(ders).map(
        lambda der: b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"
    )
    return wrapped | any_bytes(known)


TARGETS = (
    _file("ledger mark", headmark.FILE_NAME, _headmarks, _read_headmark, headmark.HeadmarkUnusable),
    _file("log mark", logmark.FILE_NAME, _logmarks, _read_logmark, logmark.LogmarkUnusable),
    _file("witness state", "head.json", _witness_heads, _read_witness, OversightError),
    _file("marks of the log", marks.FILE_NAME, _stored_marks, _read_marks, ()),
    _file("tally", tally.FILE_NAME, _tallies, _read_tally, ()),
    Target("sealed witness key", _sealed_inputs, _sealed),
)
