"""Collecting what was signed elsewhere, refusals and their way into the ledger, notes, and drafting a plan anew."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import ledgerkit
import paperkit
import pytest
from ledgerkit import B1, NOW, make_signer, signer
from paperkit import Table

from appliance.ledger import annexes, canonical, chain, cms, files
from appliance.ledger.actions import ChangePolicy, ChangeRoster, Suspend
from appliance.ledger.policy import KeyRules, Policy
from keyceremony import workspace
from keyceremony.errors import FileProblem, NoteRefused
from keyceremony.table import notes, refusals
from tests.world import softhsm


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    return paperkit.with_backup()


@pytest.fixture
def table(
    tmp_path: Path, book: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Table:
    return Table(tmp_path, book.fork(), monkeypatch, capsys)


@pytest.fixture
def plan(table: Table) -> Path:
    """An emergency stop that waits for approvals."""
    return table.plan("keys", "suspend sspin.B.1", "--title", "Stop")


def on_stick(table: Table, plan: Path, name: str, file: str) -> str:
    """An approval made on another machine."""
    table.must(*table.approve_command(plan, name), "--out", file)
    return file


def refuse(table: Table, plan: Path, name: str, *more: str) -> None:
    table.must("refuse", str(plan), "--as", name, "--reason", "早すぎる", *table.own(name), *table.where, *more)


def waiting(table: Table) -> list[str]:
    return sorted(path.name for path in (table.ledger / "pending").glob("*.cms"))


# --- collecting ---------------------------------------------------------------------------------


def test_files_are_taken_in_any_order_and_under_any_name(table: Table, plan: Path) -> None:
    given = [on_stick(table, plan, name, f"from {name}") for name in ("kato", "ito")]
    refuse(table, plan, "mori", "--out", "no.cms")
    told = table.must("collect", str(plan), "no.cms", *given, *table.where)
    assert waiting(table) == ["000004.ito.approval.cms", "000004.kato.approval.cms", "000004.mori.refusal.cms"]
    assert "Collected: refusal of mori: ledger/pending/000004.mori.refusal.cms" in told
    assert "approved by enough people" in table.must("status", *table.where)


def test_what_does_not_belong_is_named_and_the_rest_is_taken(table: Table, plan: Path) -> None:
    good = on_stick(table, plan, "ito", "good.cms")
    table.must("collect", str(plan), on_stick(table, plan, "kato", "first.cms"), *table.where)
    data, later = plan.read_bytes(), NOW + timedelta(days=3000)
    other = canonical.encode(ledgerkit.make_plan([Suspend(generation="sspin.E.1")], state=table.state()))
    strange = {
        "other.cms": cms.sign(other, signer("sato"), later),
        "eve.cms": cms.sign(data, make_signer("eve"), later),
        "late.cms": cms.sign(data, signer("sato"), later),
        "two.cms": cms.merge([cms.sign(data, signer(one), later) for one in ("sato", "mori")]),
        "torn.cms": Path(good).read_bytes()[:-1],
        "refusal.cms": ledgerkit.make_refusal(4, "sato"),
        "forged.cms": ledgerkit.make_refusal(4, "sato", signer("mori"), plan=table.paper(plan).digest),
        "attempt.cms": ledgerkit.make_attempt(4),
    }
    for name, der in strange.items():
        Path(name).write_bytes(der)
    told = table.run("collect", str(plan), *strange, "first.cms", "missing.cms", "good.cms", *table.where)
    assert (told.code, told.message) == (1, "10 of 11 files were not collected; the reasons are above")
    lines = [line.removeprefix("NOT collected: ") for line in told.out.splitlines()]
    expected = [
        "other.cms: approves other bytes than ledger/pending/000004.plan.json holds",
        "eve.cms: signed by CN=eve, who is not in the roster",
        "late.cms: sato approved at",
        "two.cms: has 2 signatures; an approval has one",
        "torn.cms: ",
        "refusal.cms: refuses another plan than ledger/pending/000004.plan.json holds",
        "forged.cms: says that sato refused, but mori signed it",
        "attempt.cms: ",
        "first.cms: this person's approval is here already (ledger/pending/000004.kato.approval.cms)",
        "missing.cms: cannot be read",
        "Collected: approval of ito: ledger/pending/000004.ito.approval.cms",
    ]
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start), line
    assert waiting(table) == ["000004.ito.approval.cms", "000004.kato.approval.cms"]


def test_an_expired_approval_counts_for_nothing(table: Table, plan: Path) -> None:
    late = cms.sign(plan.read_bytes(), signer("sato"), NOW - timedelta(days=1))
    Path("early.cms").write_bytes(late)
    told = table.run("collect", str(plan), "early.cms", *table.where)
    assert "before the plan was created" in told.out


# --- refusing -----------------------------------------------------------------------------------


def test_a_refusal_is_signed_shown_and_kept_in_the_ledger(table: Table, plan: Path) -> None:
    refuse(table, plan, "sato")
    for shown in (["status"], ["show", str(plan)]):
        told = table.must(*shown, *table.where)
        assert "REFUSED by" in told
        assert "早すぎる" in told
    told = table.must(*table.approve_command(plan, "ito"))
    assert "早すぎる" in told, "who approves sees that another refused"
    told = table.must("withdraw", str(plan), *table.where)
    assert "Withdrawn: plan 4" in told
    held = files.read(table.ledger)
    kept = chain.open_annexes(held, table.state())["000004.refusal.1.cms"]
    assert isinstance(kept, annexes.Refusal)
    assert (kept.person, kept.reason) == ("sato", "早すぎる")
    away = table.ledger / "pending" / "withdrawn" / "000004.1"
    assert sorted(path.name for path in away.iterdir()) == [
        "000004.ito.approval.cms",
        "000004.plan.json",
        "000004.sato.refusal.cms",
    ]
    command = [str(softhsm()["KAGIMORI_OPENSSL"]), "cms", "-verify", "-inform", "DER", "-noverify"]
    command += ["-in", str(table.ledger / "000004.refusal.1.cms")]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    assert json.loads(content)["reason"] == "早すぎる"


def test_withdrawing_a_refused_plan_needs_the_ledger_and_nothing_is_moved_without_it(table: Table, plan: Path) -> None:
    refuse(table, plan, "sato")
    told = table.run("withdraw", str(plan))
    assert (told.code, told.message) == (2, f"{plan}: somebody refused it, and that is kept in the ledger")
    assert plan.exists()
    assert "000004.refusal.1.cms" not in files.read(table.ledger)


def test_a_refusal_is_put_into_the_ledger_once(table: Table, plan: Path) -> None:
    refuse(table, plan, "sato")
    refuse(table, plan, "kato")
    state = table.state()
    for _ in range(2):
        refusals.into_ledger(table.ledger, table.paper(plan), state, state.roster)
    kept = [name for name in files.read(table.ledger) if ".refusal." in name]
    assert kept == ["000004.refusal.1.cms", "000004.refusal.2.cms"]
    assert table.state().head == state.head


def test_a_refusal_of_a_plan_that_was_overtaken_stays_with_its_papers(table: Table, plan: Path) -> None:
    refuse(table, plan, "sato")
    overtake(table)
    table.must("renew", str(plan), *table.where)
    assert (table.ledger / "pending/withdrawn/000004.1/000004.sato.refusal.cms").is_file()
    assert not [name for name in files.read(table.ledger) if ".refusal." in name]
    assert table.state().sequence == 4


def test_a_bad_refusal_keeps_all_of_them_out_of_the_ledger(table: Table, plan: Path) -> None:
    refuse(table, plan, "ito")
    forged = ledgerkit.make_refusal(4, "sato", make_signer("sato"), plan=table.paper(plan).digest)
    workspace.refusal_path(plan, 4, "sato").write_bytes(forged)
    told = table.run("withdraw", str(plan), *table.where)
    assert (told.code, told.message) == (
        4,
        "ledger/pending/000004.sato.refusal.cms: signed by CN=sato, who is not in the roster",
    )
    assert not [name for name in files.read(table.ledger) if ".refusal." in name]
    assert "does not count: ledger/pending/000004.sato.refusal.cms" in table.must("status", *table.where)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "reason: must have 1 to 1000 characters, has 0"),
        ("a\nb", "reason: U+000A is not printable text on one line"),
    ],
)
def test_a_reason_is_one_line_that_can_be_read(table: Table, plan: Path, reason: str, message: str) -> None:
    told = table.run("refuse", str(plan), "--as", "sato", "--reason", reason, *table.own("sato"), *table.where)
    assert (told.code, told.message) == (4, message)
    assert waiting(table) == []


def test_who_approved_or_refused_cannot_refuse(table: Table, plan: Path) -> None:
    table.must(*table.approve_command(plan, "sato"))
    told = table.run("refuse", str(plan), "--as", "sato", "--reason", "x", *table.own("sato"), *table.where)
    assert told.message == "sato has approved this plan already (ledger/pending/000004.sato.approval.cms)"
    refuse(table, plan, "kato")
    told = table.run("refuse", str(plan), "--as", "kato", "--reason", "x", *table.own("kato"), *table.where)
    assert told.message == "ledger/pending/000004.kato.refusal.cms: exists already; nothing is overwritten"
    told = table.run("refuse", str(plan), "--as", "ito", "--reason", "x", *table.own("mori"), *table.where)
    assert told.message == "mori.pem: its key is not the one of the certificate in the roster"
    table.must("withdraw", str(plan), *table.where)
    change = table.plan("roster", "--add", table.card(ledgerkit.person("abe", "officer")))
    told = table.run("refuse", str(change), "--as", "abe", "--reason", "x", *table.own("abe"), *table.where)
    assert told.message == "abe is in the new roster only"


def test_a_refused_genesis_stays_with_its_papers(table: Table) -> None:
    found = ledgerkit.make_plan([ledgerkit.make_found()])
    table.book = ledgerkit.Book()
    for path in table.ledger.glob("*.cms"):
        path.unlink()
    path = table.lay(found)
    table.must("refuse", str(path), "--as", "sato", "--reason", "x", *table.own("sato"), "--ledger", "ledger")
    table.must("withdraw", str(path), "--ledger", "ledger")
    assert files.read(table.ledger) == {}


# --- notes --------------------------------------------------------------------------------------


def test_notes_are_kept_in_order_with_their_time(table: Table, plan: Path) -> None:
    table.must("note", str(plan), "火災報知器、20分中断")
    told = table.must("note", str(plan), "officer-3 left the room")
    assert "ledger/pending/000004.notes.jsonl" in told
    assert [note.text for note in notes.read(plan, 4)] == ["火災報知器、20分中断", "officer-3 left the room"]
    assert "notes    2, the last at" in table.must("status", *table.where)
    table.must("withdraw", str(plan))
    assert (table.ledger / "pending/withdrawn/000004.1/000004.notes.jsonl").is_file()


def test_a_note_is_one_line_and_there_are_only_so_many(table: Table, plan: Path) -> None:
    told = table.run("note", str(plan), "a\u202eb")
    assert (told.code, told.message) == (4, "note: U+202E is not printable text on one line")
    assert notes.read(plan, 4) == ()
    line = b'{"at":"2026-04-01T09:00:00Z","text":"x"}\n'
    notes.path_for(plan, 4).write_bytes(line * 255)
    notes.add(plan, 4, "the last one", now=NOW)
    with pytest.raises(NoteRefused, match="holds 256 notes already"):
        notes.add(plan, 4, "one too many", now=NOW)


def test_a_note_that_does_not_reach_the_disk_is_told_of(
    table: Table, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keyceremony.table.notes.os.fsync", full)
    told = table.run("note", str(plan), "x")
    assert (told.code, told.message) == (
        1,
        "ledger/pending/000004.notes.jsonl: cannot be written (No space left on device)",
    )


@pytest.mark.parametrize("line", ['{"at":"2026-04-01T09:00:00Z"', '{"at":"noon","text":"x"}', '{"text":"x"}', "[]"])
def test_a_damaged_note_is_named(table: Table, plan: Path, line: str) -> None:
    notes.add(plan, 4, "good", now=NOW)
    with notes.path_for(plan, 4).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FileProblem, match="line 2 is no note"):
        notes.read(plan, 4)


# --- renewing -----------------------------------------------------------------------------------


def overtake(table: Table) -> None:
    """Another plan is carried out in the meantime."""
    table.book.add([ledgerkit.drill(B1)])
    table.write_ledger()


def test_a_plan_that_was_overtaken_is_drafted_anew_and_the_old_one_put_away(table: Table, plan: Path) -> None:
    table.must(*table.approve_command(plan, "ito"))
    old = table.paper(plan).plan
    overtake(table)
    assert f"keyceremony renew {plan} --ledger ledger" in table.must("status", *table.where)
    told = table.must("renew", str(plan), *table.where)
    new = table.paper(table.newest()).plan
    assert (new.sequence, new.previous, new.actions, new.title) == (5, table.state().head, old.actions, old.title)
    assert "its approvals do not count for the new one" in told
    away = table.ledger / "pending/withdrawn/000004.1"
    assert sorted(path.name for path in away.iterdir()) == ["000004.ito.approval.cms", "000004.plan.json"]
    table.must(*table.approve_command(table.newest(), "ito"))


def test_an_expired_plan_is_renewed_under_its_own_number(table: Table) -> None:
    expired = ledgerkit.make_plan([Suspend(generation="sspin.B.1")], state=table.state())
    path = table.lay(expired)
    told = table.run(*table.approve_command(path, "ito"))
    assert told.message.startswith("ledger/pending/000004.plan.json: expired at 2026-04-02T09:00:00Z; it is ")
    assert told.hint.startswith(f"draft it anew on the present head: keyceremony renew {path} --ledger ledger")
    table.must("renew", str(path), *table.where)
    renewed = table.paper(path).plan
    assert (renewed.sequence, renewed.actions) == (4, expired.actions)
    assert renewed.expires > expired.expires


def test_what_must_not_be_renewed(table: Table, plan: Path) -> None:
    told = table.run("renew", str(plan), *table.where)
    assert (told.code, told.message) == (1, f"{plan}: it follows the ledger's head and has not expired")
    table.must("withdraw", str(plan))
    stale = table.plan("policy", policy_file(7))
    rules = Policy(roles=table.state().policy.roles, keys=KeyRules(drill_days=9))
    table.book.add([ChangePolicy(policy=rules)])
    table.write_ledger()
    told = table.run("renew", str(stale), *table.where)
    assert told.message == (f"{stale}: the policy was changed since it was drafted, and it would put back the old one")
    assert stale.exists()


def test_a_plan_that_is_not_possible_any_more_is_not_renewed(table: Table, plan: Path) -> None:
    table.book.add([Suspend(generation="sspin.B.1")])
    table.write_ledger()
    told = table.run("renew", str(plan), *table.where)
    assert told.message == ("suspend sspin.B.1: sspin.B.1: suspend: the key is suspended; needs: active, decrypt-only")
    assert plan.exists()


def test_a_plan_carried_out_or_of_another_ledger_is_not_renewed(table: Table) -> None:
    authorization = chain.open_authorization(table.book.files["000003.authorization.cms"])
    told = table.run("renew", str(table.lay(authorization.plan)), *table.where)
    assert told.message.endswith("000003.plan.json: it was carried out already, as entry 3")
    other = ledgerkit.make_plan([Suspend(generation="sspin.B.1")], state=table.state(), previous="ab" * 32)
    told = table.run("renew", str(table.lay(other)), *table.where)
    assert told.message.endswith("the head it follows is in no entry of this ledger")


def test_a_roster_change_does_not_undo_one_that_came_in_between(table: Table) -> None:
    stale = table.plan("roster", "--threshold", "keys=3+1")
    others = [ledgerkit.person("abe", "officer"), *table.state().roster.people]
    table.book.add([ChangeRoster(roster=ledgerkit.make_roster(others))], (*ledgerkit.OFFICERS, "ueda"))
    table.write_ledger()
    told = table.run("renew", str(stale), *table.where)
    assert told.message == f"{stale}: the roster was changed since it was drafted, and it would put back the old one"
    assert told.hint == "withdraw it, and draft the change anew: keyceremony plan roster"


def policy_file(days: int) -> str:
    Path("policy.toml").write_text(f"[keys]\nratify_days = {days}\n")
    return "policy.toml"
