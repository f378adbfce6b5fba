"""Approving at the table: grave plans ask what they are about, both rosters of a change decide, no wrong key passes."""

from __future__ import annotations

from pathlib import Path

import ledgerkit
import paperkit
import pytest
from ledgerkit import make_signer, person, signer
from paperkit import Table

from appliance.ledger import cms, quorum
from appliance.ledger.actions import Restrict, Retire
from appliance.ledger.errors import IllegalAction
from keyceremony import workspace
from keyceremony.table import approve, papers
from keyceremony.words import last_four

RENEWED = make_signer("ueda", not_before=ledgerkit.NOW)
JOINS = make_signer("abe")


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    """sspin.B.1 is retired: it can be destroyed."""
    made = paperkit.with_backup()
    backup = tuple(made.state.backups)
    made.add([ledgerkit.Generate(generation="sspin.B.2", parent="spin.1", backups=backup)])
    made.add([ledgerkit.Activate(generation="sspin.B.2"), Restrict(generation="sspin.B.1")])
    made.add([Retire(generation="sspin.B.1")])
    return made


@pytest.fixture
def table(
    tmp_path: Path, book: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Table:
    return Table(tmp_path, book, monkeypatch, capsys)


def roster_change(table: Table) -> Path:
    """Mori leaves, abe joins, ueda's certificate is renewed."""
    edits = ["--remove", "mori", "--add", table.card(person("abe", "officer", JOINS))]
    edits += ["--replace", table.card(person("ueda", "oversight", RENEWED), "renewed")]
    return table.plan("roster", *edits)


def ballot(table: Table, path: Path) -> quorum.Ballot:
    paper = table.paper(path)
    given = papers.load_approvals(paper, workspace.approval_paths(path, paper.plan.sequence))
    return quorum.ballot(paper.plan, [one.signature for one in given], table.state().roster)


# --- grave plans --------------------------------------------------------------------------------


def test_a_destruction_asks_which_key_after_the_words(table: Table) -> None:
    path = table.plan("rotate", "sspin.B")
    words = last_four(table.paper(path).words)
    command = ["approve", str(path), "--as", "sato", *table.own("sato"), *table.where]
    told = table.run(*command, typed=f"{words}\nsspin.B.2\n")
    assert (told.code, told.message) == (1, "'sspin.B.2' is not what this plan is about; nothing was signed")
    assert "This plan cannot be taken back. Type what it is about (sspin.B.1)" in told.out
    assert "FOR EVER: no number that was not re-keyed can ever be converted again" in told.out
    assert "removed from kagimori (serial 0123456789abcdef), backup-1 (serial b1b1b1b1b1b1b1b1)" in told.out
    assert not workspace.approval_paths(path, 7)
    told = table.run(*command, typed=f"{words}\n")
    assert (told.code, told.message) == (1, "stopped")
    assert "Approved as sato" in table.must(*command, typed=f"{words}\nsspin.B.1\n")


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        (["restore", "--label", "kagimori-2", "--serial", "ab", "--from", "backup-1"], "kagimori-2"),
        (["backup", "remove", "backup-1"], "backup-1"),
        (["roster", "--threshold", "keys=3+1"], "roster"),
        (["rotate", "sspin.B"], "sspin.B.1"),
    ],
)
def test_what_has_no_way_back_is_confirmed_by_name(table: Table, arguments: list[str], subject: str) -> None:
    path = table.plan(*arguments)
    command = table.approve_command(path, "sato")
    told = table.run(*command, "--confirm-subject", f"{subject}x")
    assert (told.code, told.message) == (1, f"{subject + 'x'!r} is not what this plan is about; nothing was signed")
    assert f"Approved as sato{told_for(arguments)}, signature verified" in table.must(
        *command, "--confirm-subject", subject
    )


def told_for(arguments: list[str]) -> str:
    return " for the present roster and the new roster" if arguments[0] == "roster" else ""


def test_an_ordinary_plan_asks_for_the_words_only(table: Table) -> None:
    path = table.plan("keys", "suspend sspin.B.2", "--title", "Stop")
    assert "cannot be taken back" not in table.must(*table.approve_command(path, "sato"))


# --- a change of the roster ---------------------------------------------------------------------


def test_each_roster_has_its_own_quorum_and_a_renewed_certificate_counts_where_it_stands(table: Table) -> None:
    path = roster_change(table)
    subject = ["--confirm-subject", "roster"]
    for name in ("ito", "sato", "mori"):
        table.must(*table.approve_command(path, name), *subject)
    told = table.must(*table.approve_command(path, "ueda"), *subject)
    assert (
        "Approved as ueda for the present roster, signature verified: ledger/pending/000007.ueda.approval.cms" in told
    )
    assert [one.complete for one in ballot(table, path).tallies] == [True, False]
    status = table.must("status", *table.where)
    assert "present roster: approved by  ito (" in status
    assert "new roster: missing      1 officer: any 1 of abe" in status
    assert "new roster: missing      1 oversight: any 1 of kato, ueda" in status or "ueda, kato" in status
    told = table.must(*table.approve_command(path, "ueda", RENEWED), *subject)
    assert "Approved as ueda for the new roster, signature verified" in told
    assert Path("ledger/pending/000007.ueda.new.approval.cms").exists()
    told = table.must(*table.approve_command(path, "abe", JOINS), *subject)
    assert Path("ledger/pending/000007.abe.new.approval.cms").exists()
    assert ballot(table, path).complete
    assert "approved by enough people" in table.must("status", *table.where)


def test_the_same_key_twice_is_refused_and_the_other_is_still_taken(table: Table) -> None:
    path = roster_change(table)
    subject = ["--confirm-subject", "roster"]
    table.must(*table.approve_command(path, "ueda", RENEWED), *subject)
    told = table.run(*table.approve_command(path, "ueda", RENEWED), *subject)
    again = "ueda has approved this plan already (ledger/pending/000007.ueda.new.approval.cms)"
    assert (told.code, told.message) == (1, again)
    table.must(*table.approve_command(path, "ueda"), *subject)
    told = table.run(*table.approve_command(path, "ueda"), *subject)
    assert (told.code, told.message) == (1, again)


def test_a_strangers_key_approves_for_nobody(table: Table) -> None:
    path = roster_change(table)
    command = [*table.approve_command(path, "ueda", make_signer("ueda")), "--confirm-subject", "roster"]
    told = table.run(*command)
    assert (told.code, told.message) == (1, "ueda.pem: its key is not the one of the certificate in the roster")
    told = table.run(*table.approve_command(path, "eve", make_signer("eve")))
    assert (told.code, told.message) == (1, "eve is not in the roster")
    assert told.hint == "people: ito, sato, mori, ueda, kato, abe"
    assert not workspace.approval_paths(path, 7)


def test_a_signed_roster_change_names_the_people_of_both_rosters(table: Table) -> None:
    path = roster_change(table)
    data = path.read_bytes()
    merged = cms.merge([cms.sign(data, one, ledgerkit.NOW) for one in (signer("mori"), RENEWED, make_signer("eve"))])
    Path("signed.cms").write_bytes(merged)
    told = table.must("show", "signed.cms", *table.where)
    rows = [" ".join(line.split()) for line in told.splitlines()]
    assert "mori officer 2026-04-01T09:00:00Z" in rows
    assert "ueda oversight 2026-04-01T09:00:00Z" in rows
    assert "CN=eve, NOT IN THE ROSTER none 2026-04-01T09:00:00Z" in rows


# --- offline ------------------------------------------------------------------------------------


def test_approving_needs_the_plan_and_a_copy_of_the_ledger_only(table: Table, tmp_path: Path) -> None:
    path = table.plan("keys", "suspend sspin.B.2", "--title", "Stop")
    path.rename("stick.plan.json")
    command = table.approve_command(Path("stick.plan.json"), "sato")
    told = table.must(*command, "--out", "stick.cms")
    assert told.endswith("signature verified: stick.cms\n")
    assert not workspace.approval_paths(tmp_path / path, 7)


def test_a_plan_that_was_overtaken_says_how_to_renew_it(table: Table, book: ledgerkit.Book) -> None:
    path = table.plan("keys", "suspend sspin.B.2", "--title", "Stop")
    table.book = book.fork()
    table.book.add([ledgerkit.drill("b1b1b1b1b1b1b1b1")])
    table.write_ledger()
    told = table.run(*table.approve_command(path, "sato"))
    assert (told.code, told.message) == (4, "ledger/pending/000007.plan.json: is plan 7; the ledger's next is 8")
    where = f"--ledger ledger --anchor {book.anchor}"
    assert told.hint == f"draft it anew on the present head: keyceremony renew {path} {where}"


def test_a_plan_of_another_head_says_the_same(table: Table) -> None:
    other = ledgerkit.make_plan([Retire(generation="sspin.B.2")], state=table.state(), previous="ab" * 32)
    path = table.lay(other)
    told = table.run(*table.approve_command(path, "sato"))
    assert (told.code, told.message) == (4, f"{path}: was drafted from another head than the ledger's present one")
    assert told.hint.startswith(f"draft it anew on the present head: keyceremony renew {path} --ledger ledger")


def test_a_plan_that_cannot_be_carried_out_is_not_even_asked_about(table: Table) -> None:
    plan = ledgerkit.make_plan([Retire(generation="sspin.B.2")], state=table.state())
    paper = papers.paper_of(table.folder / "plan.json", plan)
    with pytest.raises(IllegalAction, match="retire: the key is active; needs: decrypt-only, suspended"):
        approve.approvers(paper, table.state(), "sato", now=ledgerkit.NOW)
