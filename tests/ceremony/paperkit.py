"""A table with papers: a ledger made in memory, written to a folder, and people with keys in PEM files.

Drafting, showing, approving, refusing, collecting and status need no token, so the command line runs in this process.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import ledgerkit
import pytest
from ledgerkit import B1, SoftSigner, signer

from appliance.ledger import canonical, chain, files
from appliance.ledger.actions import Action
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person
from keyceremony import cli
from keyceremony.people import cards, pkcs8
from keyceremony.table import papers
from keyceremony.table.papers import Paper
from keyceremony.words import last_four

PASSPHRASE = "correct horse battery staple"


@dataclass
class Told:
    """How a command ended, and what it told."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        return next((line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")), "")

    @property
    def hint(self) -> str:
        return next((line.removeprefix("hint: ") for line in self.err.splitlines() if line.startswith("hint: ")), "")


_PEMS: dict[bytes, bytes] = {}


def pem_of(who: SoftSigner) -> bytes:
    """A person's key, encrypted; made once a process, since that takes a while."""
    if who.certificate not in _PEMS:
        _PEMS[who.certificate] = pkcs8.encrypt(who.key, PASSPHRASE)
    return _PEMS[who.certificate]


class Table:
    """A folder with ``ledger/`` and whatever people bring; commands run in it."""

    def __init__(
        self, folder: Path, book: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self.book, self._monkeypatch, self._capsys = folder, book, monkeypatch, capsys
        self.ledger = folder / "ledger"
        (self.ledger / "pending").mkdir(parents=True)
        monkeypatch.chdir(folder)
        secret = folder / "passphrase"
        secret.write_text(PASSPHRASE + "\n")
        secret.chmod(0o600)
        self.write_ledger()

    def write_ledger(self) -> None:
        """Write what the book has and the folder lacks."""
        for name, data in self.book.files.items():
            if not (self.ledger / name).exists():
                (self.ledger / name).write_bytes(data)

    def state(self) -> LedgerState:
        return chain.verify(files.read(self.ledger), self.book.anchor)

    @property
    def where(self) -> list[str]:
        return ["--ledger", "ledger", "--anchor", self.book.anchor]

    def run(self, *arguments: str, typed: str = "") -> Told:
        """The command line; ``typed`` is what a person types, line by line."""
        self._capsys.readouterr()
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = cli.run([*arguments])
        told = self._capsys.readouterr()
        return Told(code, told.out, told.err)

    def must(self, *arguments: str, typed: str = "") -> str:
        """The command line, which must succeed; what it printed."""
        told = self.run(*arguments, typed=typed)
        assert told.code == 0, told.out + told.err
        return told.out

    def plan(self, *arguments: str) -> Path:
        """Draft; the plan's path."""
        self.must("plan", *arguments, *self.where)
        return self.newest()

    def newest(self) -> Path:
        return max((self.ledger / "pending").glob("*.plan.json")).relative_to(self.folder)

    def lay(self, plan: Plan) -> Path:
        """Put a plan into the pending folder."""
        path = Path(f"ledger/pending/{plan.sequence:06}.plan.json")
        path.write_bytes(canonical.encode(plan))
        return path

    def pem(self, name: str, who: SoftSigner | None = None) -> str:
        """Somebody's key file."""
        path = self.folder / f"{name}.pem"
        path.write_bytes(pem_of(who or signer(name)))
        path.chmod(0o600)
        return path.name

    def card(self, person: Person, name: str = "") -> str:
        """Somebody's card."""
        path = self.folder / f"{name or person.id}.json"
        cards.write(path, person)
        return path.name

    def paper(self, path: Path) -> Paper:
        return papers.load_plan(path)

    def own(self, name: str, who: SoftSigner | None = None) -> list[str]:
        return ["--pem", self.pem(name, who), "--passphrase-file", "passphrase"]

    def approve_command(self, path: Path, name: str, who: SoftSigner | None = None) -> list[str]:
        words = ["--confirm-words", last_four(self.paper(path).words)]
        return ["approve", str(path), "--as", name, *self.own(name, who), *words, *self.where]


def with_backup() -> ledgerkit.Book:
    """Genesis, one backup token, the first keys with a copy on it; common.1, spin.1, sspin.B.1, sspin.E.1 active.

    So are the service keys log.1, without a copy, and tag.1.
    """
    book = ledgerkit.Book()
    book.add([ledgerkit.make_found()])
    book.add([ledgerkit.enroll(B1)])
    book.add([*ledgerkit.first_keys((B1,)), *ledgerkit.service_keys((B1,))])
    return book


def grown(book: ledgerkit.Book, *steps: list[Action]) -> LedgerState:
    """The state after some more entries, on a copy."""
    copy = book.fork()
    for step in steps:
        copy.add(step)
    return copy.state
