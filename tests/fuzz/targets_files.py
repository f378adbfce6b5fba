"""Targets: files that people write or move about: configuration, set-up files, papers of a ceremony."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ledgerkit
import msgspec
from hypothesis import strategies as st

from appliance import configuration, tomlfile
from appliance.errors import KagimoriError
from appliance.ledger import canonical, cms
from appliance.ledger.text import render_instant
from keyceremony.act.journal import Begin, Journal
from keyceremony.errors import FileProblem, ShareRefused
from keyceremony.people import cards
from keyceremony.pin import pinshares
from keyceremony.plans import new_roster, policy_file, setup_file
from keyceremony.table import notes, papers
from tests.fuzz import targets_ledger
from tests.fuzz.mutations import any_bytes, changed_der, changed_json
from tests.fuzz.target import Target, parsed, require_readable

_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-files-")
_TOML = (
    b"[[",
    b"]]",
    b"=",
    b'"""',
    b"inf",
    b"nan",
    b"1979-05-27T07:32:00Z",
    b"{}",
    b"\n[policy.x]\n",
    b"a.b.c=1\n",
    b"[" * 3000,
)


def folder(name: str) -> Path:
    path = Path(_FOLDER.name) / name.replace(" ", "-")
    path.mkdir(exist_ok=True)
    return path


def read_file(
    name: str, place: str, inputs: Callable[[], st.SearchStrategy[bytes]], read: Callable[[Path], Any], refusals: Any
) -> Target:
    """A file of that name, whatever is in it; ``read`` takes its path."""

    def probe(data: bytes) -> bool:
        path = folder(name) / place
        path.write_bytes(data)
        return parsed(data, lambda _: read(path), refusals)

    return Target(name, inputs, probe)


# --- TOML -------------------------------------------------------------------------------------------------------------

_CONFIGURATION = b"""[token]
module = "module.so"
label = "kagimori"
pin_file = "pin"

[ledger]
directory = "ledger"
trust_anchor = "abababababababababababababababababababababababababababababababab"

[state]
directory = "state"

[audit]
directory = "audit"
name = "main"
retention_days = 30

[engine]
processes = 2
deadline_seconds = 2.5

[[clone]]
label = "clone-1"
pin_credential = "clone-pin"

[[socket]]
role = "hub"
path = "run/hub.sock"
group = "hub"
uids = [1000, 1001]
"""
_SETUP = """title = "Genesis"
participants = ["ito.json"]

[token]
label = "kagimori"
serial = "0123456789abcdef"

[thresholds.keys]
officers = 2
oversight = 1

[[domains]]
name = "resident"
title = "住民票コード"
alphabet = "0123456789"
length = 10

[policy.hub]
among = ["sspin.A", "sspin.B"]
purposes = ["exchange"]
values_per_request = 100
purpose_values_per_day = {exchange = 7}

[keys]
backups = 1
cryptoperiod_days = 730

[log]
witnesses = []
warn_seconds = 60

[disclosure]
officers = 1
""".encode()
_POLICY = b"""[policy.hub]
pairs = [["sspin.A", "sspin.B"]]
purposes = ["exchange"]
values_without_order = 3
[keys]
cryptoperiod_days = {"sspin.A" = 100}
drill_days = 90
"""
_ROSTER = b'participants = ["ito.json"]\n[thresholds.keys]\nofficers = 2\noversight = 1\n'


def _toml(original: bytes) -> Callable[[], st.SearchStrategy[bytes]]:
    lines = original.splitlines(keepends=True)
    shuffled = st.lists(st.sampled_from(lines), max_size=len(lines)).map(b"".join)
    return lambda: any_bytes((original,), _TOML) | shuffled | any_bytes((original,), (*_TOML, *lines))


def _setup(path: Path) -> None:
    """As `keyceremony plan genesis` reads it, the card beside it."""
    card = path.parent / "ito.json"
    if not card.exists():
        cards.write(card, ledgerkit.person("ito", "officer"))
    setup_file.found(path, setup_file.load(path))


def _roster(path: Path) -> None:
    card = path.parent / "ito.json"
    if not card.exists():
        cards.write(card, ledgerkit.person("ito", "officer"))
    new_roster.from_file(path, ledgerkit.make_roster())


# --- a ceremony's papers ----------------------------------------------------------------------------------------------


@cache
def _card() -> bytes:
    return msgspec.json.format(msgspec.json.encode(ledgerkit.person("sato", "officer")), indent=2) + b"\n"


@cache
def _journal() -> bytes:
    path = folder("journal-made") / "journal.jsonl"
    begin = Begin(sequence=3, plan="ab" * 32, path="p", authorization="cd" * 32, started="s", operator="o", tool="t")
    journal = Journal.create(path, begin)
    journal.write("1", "start")
    journal.write("1.key", "make", token=ledgerkit.SERIAL, key_id="ab" * 16, what="key sspin.C.2")
    journal.write("1.key", "made", label="sspin.C.2")
    journal.write("1.key", "erased")
    journal.write("1", "finish")
    return path.read_bytes()


def _read_journal(path: Path) -> None:
    """As resuming and aborting read it."""
    journal = Journal.open(path)
    assert len(journal.made()) <= len(journal.all_made())
    journal.last_step()
    journal.duration(1)


def _journal_lines() -> st.SearchStrategy[bytes]:
    lines = _journal().splitlines()
    one = st.sampled_from(lines) | changed_json(lines)
    return st.lists(one, min_size=1, max_size=6).map(lambda found: b"".join(line + b"\n" for line in found))


def _note_lines() -> st.SearchStrategy[bytes]:
    line = msgspec.json.encode(notes.Note(at=render_instant(ledgerkit.NOW), text="遅れた"))
    return any_bytes((line + b"\n" + line + b"\n",)) | changed_json((line,))


def _approvals() -> tuple[bytes, ...]:
    content = targets_ledger.plans()[0]
    return (cms.sign(content, ledgerkit.signer("sato"), ledgerkit.NOW), ledgerkit.approve(content, ("sato", "ueda")))


def _approval(path: Path) -> None:
    paper = papers.Paper(Path("plan.json"), targets_ledger.plans()[0], ledgerkit.make_plan([ledgerkit.make_found()]))
    approval = papers.load_approval(paper, path)
    assert approval.signature.certificate == ledgerkit.signer("sato").certificate


def _plan(path: Path) -> None:
    paper = papers.load_plan(path)
    assert canonical.encode(paper.plan) == paper.data


@cache
def _dealt() -> tuple[bytes, ...]:
    dealt = pinshares.deal(b"s" * 16, 2, ("ito", "sato", "mori"), token="kagimori", serial=ledgerkit.SERIAL)
    return tuple(map(pinshares.render, dealt))


def _shares() -> st.SearchStrategy[list[bytes]]:
    words = tuple(word + b" " for word in _dealt()[0].split()[-4:])
    return st.lists(st.sampled_from(_dealt()) | any_bytes(_dealt(), words), min_size=1, max_size=3)


def _share(given: list[bytes]) -> bool:
    """A share is one text; shares that are put together give the PIN's secret, or nothing."""
    try:
        shares = [pinshares.parse(data) for data in given]
        assert list(map(pinshares.render, shares)) == given
        secret = pinshares.combine([share.words for share in shares])
    except ShareRefused as error:
        require_readable(error)
        assert not any(share.split()[-1].decode() in error.message.split() for share in _dealt())
        return False
    assert secret == b"s" * 16
    return True


def _json(known: Callable[[], Sequence[bytes]]) -> Callable[[], st.SearchStrategy[bytes]]:
    return lambda: changed_json(known()) | any_bytes(known())


TARGETS = (
    read_file("configuration", "kagimori.toml", _toml(_CONFIGURATION), configuration.load, tomlfile.ConfigurationError),
    read_file("set-up file", "setup.toml", _toml(_SETUP), _setup, KagimoriError),
    read_file("policy file", "policy.toml", _toml(_POLICY), policy_file.load, KagimoriError),
    read_file("roster file", "roster.toml", _toml(_ROSTER), _roster, KagimoriError),
    read_file("participant card", "card.json", _json(lambda: (_card(),)), cards.load, KagimoriError),
    read_file(
        "journal", "journal.jsonl", lambda: any_bytes((_journal(),)) | _journal_lines(), _read_journal, KagimoriError
    ),
    read_file("notes", "000003.notes.jsonl", _note_lines, lambda path: notes.read(path, 3), FileProblem),
    read_file("plan on the table", "plan.json", _json(targets_ledger.plans), _plan, KagimoriError),
    read_file(
        "approval on the table",
        "a.cms",
        lambda: changed_der(_approvals()) | any_bytes(_approvals()),
        _approval,
        KagimoriError,
    ),
    Target("PIN share", _shares, _share),
)
