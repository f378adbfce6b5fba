"""What approvers read: everything the plan says, nothing it does not, and no text that hides or turns other text."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import click
import ledgerkit
import paperkit
import pytest
from ledgerkit import NOW
from rich.console import Console

from appliance.ledger import canonical, cms
from appliance.ledger.actions import Activate, Generate, Restrict
from appliance.ledger.errors import IllegalAction
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import Plan, digest
from keyceremony import cli, screen
from keyceremony.plans import drafting
from keyceremony.showing import show
from keyceremony.words import groups, words_of
from tests.commandkit import command_of, commands_of


def shown(plan: Plan, state: LedgerState | None) -> str:
    out = Console(file=StringIO(), width=120, markup=False, emoji=False, highlight=False)
    show.plan(out, canonical.encode(plan), plan, state)
    return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    """Three entries; common.1, spin.1, sspin.B.1, sspin.B.2 and sspin.E.1 are active."""
    return ledgerkit.three_entries()


def test_every_action_with_the_state_before_and_after(book: ledgerkit.Book) -> None:
    lines = ["generate sspin.C", "activate sspin.C.1", "restrict sspin.B.1", "suspend sspin.E.1"]
    plan = drafting.keys(book.state, lines, title="四つの行為", now=NOW)
    text = shown(plan, book.state)
    rows = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    assert [row[:3] for row in rows] == [
        ["1", "generate", "sspin.C.1"],
        ["2", "activate", "sspin.C.1"],
        ["3", "restrict", "sspin.B.1"],
        ["4", "suspend", "sspin.E.1"],
    ]
    changes = ("no key → generated", "generated → active", "active → decrypt-only", "active → suspended")
    assert all(change in text for change in changes)
    assert rows[0][3] == "spin.1"
    assert "番号 sspin.C" in text
    assert f"follows  {book.state.head}, the head of ledger entry 3" in text
    assert "Plan 4: 四つの行為" in text
    data = canonical.encode(plan)
    assert all(group in text for group in groups(words_of(data)))
    assert digest(data) in text


def test_what_people_should_know_of_a_key_is_told_line_by_line() -> None:
    book = paperkit.with_backup()
    lines = ["generate sspin.B without backup", "activate sspin.B.2", "restrict sspin.B.1", "suspend sspin.E.1"]
    text = shown(drafting.keys(book.state, lines, title="Keys", now=NOW), book.state)
    for expected in (
        "1. generate sspin.B.2: NO COPY: it can never leave the token; should the token be lost, so is every number",
        "3. restrict sspin.B.1: its successor becomes current in this very plan; what is still kept under the old key",
        "current key of sspin.B: sspin.B.1 → sspin.B.2",
        "current key of sspin.E: sspin.E.1 → NONE: nothing is converted to it",
        "Approvals needed\n   2 officers, 1 oversight",
        "kagimori (serial 0123456789abcdef): PIN",
    ):
        assert expected in text, expected
    book.add([Generate(generation="sspin.B.2", parent="spin.1"), Activate(generation="sspin.B.2")])
    text = shown(drafting.keys(book.state, ["restrict sspin.B.1"], title="Keys", now=NOW), book.state)
    assert (
        "restrict sspin.B.1: its successor sspin.B.2 is current since 2026-04-01T09:03:00Z; what is still kept" in text
    )
    book.add([Restrict(generation="sspin.B.1")])
    text = shown(drafting.keys(book.state, ["retire sspin.B.1"], title="Keys", now=NOW), book.state)
    assert "is decrypt-only since 2026-04-01T09:03:00Z; no way back: what was not re-keyed stays unreadable" in text
    text = shown(drafting.keys(book.state, ["suspend sspin.B.2"], title="Stop", now=NOW), book.state)
    assert "Approvals needed\n   1 officer, 1 oversight" in text


def test_a_plan_from_another_head_is_marked_and_not_explained(book: ledgerkit.Book) -> None:
    before = book.states[2]
    assert before is not None
    plan = drafting.keys(before, ["generate sspin.C"], title="Old", now=NOW)
    text = shown(plan, book.state)
    assert f"which is NOT the ledger's head {book.state.head}" in text
    assert "?" in text
    assert "no key →" not in text
    assert "(not compared: no verified ledger given)" in shown(plan, None)


def test_an_impossible_plan_is_not_shown_as_if_it_were_one(book: ledgerkit.Book) -> None:
    plan = ledgerkit.make_plan(
        drafting.keys(book.states[1], ["generate spin"], title="x", now=NOW).actions,  # type: ignore[arg-type]
        state=book.state,
    )
    with pytest.raises(IllegalAction, match=r"spin\.1"):
        shown(plan, book.state)


def test_a_genesis_with_everything_it_lays_down(book: ledgerkit.Book) -> None:
    plan = ledgerkit.make_plan([ledgerkit.make_found()], rehearsal=True)
    text = shown(plan, None)
    for expected in (
        "REHEARSAL: nothing of this ledger may be used with real numbers",
        "appliance token  kagimori, serial 0123456789abcdef",
        "伊藤 一郎",
        "individual-number",
        "11 of 0-9A-Z",
        "sspin.B → sspin.E",
        "100 / 1,000,000 / 10,000",
    ):
        assert expected in text, expected
    for person in ledgerkit.make_roster().people:
        certificate = ledgerkit.signer(person.id).certificate
        assert all(group in text for group in groups(words_of(certificate))), person.id


def test_text_of_a_plan_is_never_markup(book: ledgerkit.Book) -> None:
    title = "[red]two keys[/red] :smile: \\[x]"
    plan = drafting.keys(book.state, ["generate sspin.C"], title=title, now=NOW)
    assert f"Plan 4: {title}" in shown(plan, book.state)


def test_what_does_not_show_is_written_as_an_escape() -> None:
    assert screen.visible("佐藤　花子 (officer)") == "佐藤　花子 (officer)"
    assert screen.visible("a\x1b[2Jb\u202ec\nd\u2028") == "a\\x1b[2Jb\\u202ec\\nd\\u2028"


def test_signatures_name_people_of_the_roster_and_warn_of_others(book: ledgerkit.Book) -> None:
    plan = drafting.keys(book.state, ["generate sspin.C"], title="Keys", now=NOW)
    stranger = ledgerkit.make_signer("evil\x1b[2J")
    signed = cms.verify(ledgerkit.approve(plan, ["ito", stranger]))
    out = Console(file=StringIO(), width=120, markup=False, emoji=False, highlight=False)
    show.signatures(out, signed, [book.state.roster])
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "ito" in text
    assert "officer" in text
    assert "NOT IN THE ROSTER" in text
    assert "\x1b" not in text


# --- the command line itself --------------------------------------------------------------------


def test_a_defect_tells_kind_and_place_and_no_content(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("the PIN is 1234")

    monkeypatch.setattr(command_of(cli.cli, "verify"), "callback", broken)
    assert cli.run(["verify"]) == 70
    told = capsys.readouterr().err
    assert told.startswith("error: a defect in Kagimori: RuntimeError in broken, line ")
    assert "1234" not in told


def test_missing_rights_and_full_disks_are_told_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device", "ledger/pending")

    monkeypatch.setattr(command_of(cli.cli, "verify"), "callback", full)
    assert cli.run(["verify"]) == 1
    assert capsys.readouterr().err.startswith("error: ledger/pending: No space left on device")


def test_every_command_has_help_that_begins_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in commands_of(cli.cli).items():
        assert cli.run([name, "--help"]) == 0
        assert f"Usage: keyceremony {name}" in capsys.readouterr().out
        assert (command.help or "").split("\n")[0].endswith((".", ":")), name
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or parameter.help, (name, parameter.name)  # type: ignore[attr-defined]


def test_approvals_can_be_shown(tmp_path: Path, book: ledgerkit.Book, capsys: pytest.CaptureFixture[str]) -> None:
    plan = drafting.keys(book.state, ["generate sspin.C"], title="Keys", now=NOW)
    (tmp_path / "one.cms").write_bytes(ledgerkit.approve(plan, ["sato"]))
    assert cli.run(["show", str(tmp_path / "one.cms")]) == 0
    told = capsys.readouterr().out
    assert "CN=sato (not compared with a roster)" in told
    assert "Plan 4: Keys" in told
