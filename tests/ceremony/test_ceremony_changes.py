"""Drafting changes of people, policy, domains and tokens by the command line: what is drafted, shown and refused."""

from __future__ import annotations

from pathlib import Path

import ledgerkit
import paperkit
import pytest
from ledgerkit import B1, B2, NEW_TOKEN, SCRATCH, make_signer, person
from paperkit import Table

from appliance.ledger.actions import AddDomain, ChangePolicy, ChangeRoster, Drill, EnrollBackup, RemoveBackup, Restore
from appliance.ledger.roster import Threshold
from keyceremony.words import groups, words_of


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    return paperkit.with_backup()


@pytest.fixture
def table(
    tmp_path: Path, book: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Table:
    """A ledger with one backup token and four active keys."""
    return Table(tmp_path, book, monkeypatch, capsys)


def squeezed(text: str) -> str:
    """Without the padding of tables."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


# --- people -------------------------------------------------------------------------------------


def test_people_come_go_and_are_renewed_and_each_is_shown(table: Table) -> None:
    new, renewed = make_signer("abe"), make_signer("ueda")
    joins, again = person("abe", "officer", new), person("ueda", "oversight", renewed)
    edits = ["--remove", "mori", "--add", table.card(joins), "--replace", table.card(again, "ueda-new")]
    told = table.must("plan", "roster", *edits, "--threshold", "keys=3+1", *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert isinstance(action, ChangeRoster)
    assert [one.id for one in action.roster.people] == ["ito", "sato", "ueda", "kato", "abe"]
    assert action.roster.thresholds["keys"] == Threshold(officers=3, oversight=1)
    assert action.roster.thresholds["destroy"] == table.state().roster.thresholds["destroy"]
    for expected in ("mori REMOVED", "abe ADDED", "CERTIFICATE RENEWED, another key", "as before: ito, sato, kato"):
        assert expected in squeezed(told), expected
    for who in (new, renewed):
        assert all(group in told for group in groups(words_of(who.certificate)))
    assert "keys 2 officers, 1 oversight 3 officers, 1 oversight" in squeezed(told)
    assert "present roster: 3 officers, 1 oversight" in table.must("show", str(table.newest()), *table.where)


def test_a_whole_roster_from_a_file_keeps_the_thresholds_it_leaves_out(table: Table) -> None:
    cards = [table.card(person(name, "officer")) for name in ("ito", "sato", "mori")]
    cards.append(table.card(person("kato", "oversight")))
    listed = ", ".join(f'"{card}"' for card in cards)
    Path("roster.toml").write_text(f"participants = [{listed}]\n[thresholds.policy]\nofficers = 2\noversight = 1\n")
    told = table.must("plan", "roster", "roster.toml", *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert isinstance(action, ChangeRoster)
    assert action.roster.thresholds["policy"] == Threshold(officers=2, oversight=1)
    assert action.roster.thresholds["roster"] == Threshold(officers=3, oversight=1)
    assert "ueda REMOVED" in squeezed(told)


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (["--remove", "abe"], "--remove abe: is not in the roster"),
        (["--add", "ito.json"], "--add ito: is in the roster already"),
        (["--replace", "abe.json"], "--replace abe: is not in the roster"),
        (["--threshold", "keys=2"], "--threshold keys=2: needs CLASS=OFFICERS+OVERSIGHT, keys=2+1 say"),
        (["--threshold", "guests=2+1"], "--threshold guests=2+1: needs CLASS=OFFICERS+OVERSIGHT, keys=2+1 say"),
        (["--threshold", "keys=0+1"], "roster: thresholds: keys: 0 officer approvals; at least 1 is needed"),
        (["--threshold", "keys=2+3"], "keys: 3 oversight approvals, but the roster has 2"),
        (["--remove", "mori"], "destroy: 3 officer approvals, but the roster has 2"),
        (["--add", "both.json"], "伊藤 一郎 is both officer and oversight; nobody may be both"),
        (["--replace", "ito.json"], "it is the present roster; nothing would change"),
        (["--add", "missing.json"], "missing.json: cannot be read"),
        ([], "give either a ROSTER file, or edits"),
        (["roster.toml", "--remove", "mori"], "give either a ROSTER file, or edits"),
    ],
)
def test_a_roster_that_cannot_be_is_refused(table: Table, edits: list[str], message: str) -> None:
    table.card(person("ito", "officer"))
    table.card(person("abe", "officer"))
    both = person("abe", "oversight")
    table.card(type(both)(id="both", name="伊藤 一郎", role="oversight", certificate=both.certificate), "both")
    told = table.run("plan", "roster", *edits, *table.where)
    assert told.code in (1, 2)
    assert message in told.message
    assert told.hint or "cannot be read" in message or "both" in message or "approvals" in message
    assert not list((table.ledger / "pending").iterdir())


# --- policy and domains -------------------------------------------------------------------------


def test_a_policy_is_shown_by_what_it_changes(table: Table) -> None:
    Path("policy.toml").write_text(
        """
[policy.hub]
pairs = [["sspin.B", "sspin.E"], ["sspin.B", "sspin.B"], ["resident", "sspin.C"], ["sspin.B", "spin"]]
purposes = ["exchange", "rekeying"]
values_per_request = 100
values_per_stream = 1000000
values_per_minute = 20000

[policy.portal]

[keys]
backups = 1
cryptoperiod_days = 365
""",
        encoding="utf-8",
    )
    told = table.must("plan", "policy", "policy.toml", *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert isinstance(action, ChangePolicy)
    named = [*(domain.name for domain in table.state().tree if domain.parent is not None), "log", "tag"]
    assert action.policy.keys.cryptoperiod_days == dict.fromkeys(named, 365)
    assert action.policy.keys.drill_days == 365
    for expected in (
        "hub pairs added refused sspin.B → spin, sspin.B",
        "!! answers show spin itself",
        "hub pairs removed sspin.E → sspin.B refused",
        "exchange, linking exchange, rekeying",
        "values_per_minute 10,000 20,000",
        "portal ROLE ADDED – may convert nothing",
        "backup tokens with a copy before activate 0 1",
        "rotation of sspin.B due after",
        "roles as before: none",
    ):
        assert expected in squeezed(told), expected
    assert "values_per_stream " not in told, "what does not change is not told"


def test_rules_about_keys_alone_leave_the_roles_as_they_are(table: Table) -> None:
    Path("policy.toml").write_text("[keys]\nratify_days = 1\n")
    told = table.must("plan", "policy", "policy.toml", *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert isinstance(action, ChangePolicy)
    assert action.policy.roles == table.state().policy.roles
    assert "roles as before: hub" in told
    assert "suspension ratified within 3 days 1 days" in squeezed(told)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[keys]\nbackup = 1\n", "policy.toml: Object contains unknown field `backup`"),
        ('[policy.hub]\npairs = [["sspin.A", "sspin.Q"]]\n', "'sspin.Q' is no domain of this ledger"),
        ("", "it is the present policy; nothing would change"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(table: Table, text: str, message: str) -> None:
    Path("policy.toml").write_text(text)
    told = table.run("plan", "policy", "policy.toml", *table.where)
    assert told.code == 1
    assert message in told.message


def test_a_sector_is_like_its_siblings_unless_it_is_said(table: Table) -> None:
    told = table.must("plan", "sector", "sspin.G", "--title", "医療 (health care)", *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert isinstance(action, AddDomain)
    spec = action.domain
    assert (spec.parent, spec.format.length, len(spec.format.alphabet), spec.format.check) == ("spin", 11, 36, "none")
    assert "not there → under spin" in told
    assert "医療 (health care)" in told
    assert "11 of 0-9A-Z" in told
    assert "Then: keyceremony plan keys 'generate sspin.G' 'activate sspin.G.1'" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["sspin.B"], "sspin.B is a domain already"),
        (["sspin.G", "--length", "4", "--alphabet", "decimal"], "sspin.G: fewer than a million numbers"),
        (["sspin.G", "--length", "12", "--alphabet", "decimal"], "its format is smaller than that of spin"),
        (["sspin.G", "--parent", "resident"], "--alphabet: the domains under resident differ, so there is no default"),
        (["sspin.G", "--parent", "common"], "--alphabet: there is no domain under common yet, so there is no default"),
        (["Sector G"], "'Sector G' is not a domain name such as spin or sspin.C"),
        (["sspin.G", "--check", "luhn"], "check: unknown rule 'luhn'"),
    ],
)
def test_a_sector_that_cannot_be_is_refused(table: Table, options: list[str], message: str) -> None:
    told = table.run("plan", "sector", *options, "--title", "x", *table.where)
    assert told.code == 1
    assert message in told.message


def test_a_decimal_sector(table: Table) -> None:
    options = ["--alphabet", "decimal", "--length", "18"]
    table.must("plan", "sector", "sspin.G", "--title", "x", *options, *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert isinstance(action, AddDomain)
    assert (action.domain.format.alphabet, action.domain.format.length) == ("0123456789", 18)


# --- tokens -------------------------------------------------------------------------------------


def test_a_backup_token_is_enrolled_with_the_copies_of_another(table: Table) -> None:
    options = ["--label", "backup-2", "--serial", B2, "--copy-from", "backup-1"]
    told = table.must("plan", "backup", "enroll", *options, *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert action == EnrollBackup(token_label="backup-2", token_serial=B2, copy_from=B1)
    assert f"gets the copies of backup-1 (serial {B1}): common.1, spin.1, sspin.B.1, sspin.E.1" in told
    shown = table.must("show", str(table.newest()), *table.where)
    assert "kagimori (serial 0123456789abcdef): PIN and SO PIN" in shown
    assert f"backup-2 (serial {B2}), which must hold nothing yet: PIN" in shown
    assert "Approvals needed\n   3 officers, 1 oversight" in shown


def test_a_backup_token_is_removed_by_its_label(table: Table) -> None:
    table.book = table.book.fork()
    table.book.add([ledgerkit.Generate(generation="sspin.C.1", parent="spin.1", backups=())])
    table.write_ledger()
    told = table.must("plan", "backup", "remove", "backup-1", "--lost", *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert action == RemoveBackup(token_serial=B1, lost=True)
    assert "LOST: nothing can be proven of its copies" in told
    assert "WITHOUT ANY COPY then: common.1, spin.1, sspin.B.1, sspin.E.1, tag.1\n" in told


def test_recovery_and_its_rehearsal(table: Table) -> None:
    new = ["--label", "kagimori-2", "--serial", NEW_TOKEN, "--from", "backup-1"]
    told = table.must("plan", "restore", *new, *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert action == Restore(token_label="kagimori-2", token_serial=NEW_TOKEN, source=B1, lost=("log.1",))
    assert f"kagimori, serial 0123456789abcdef → kagimori-2, serial {NEW_TOKEN}, empty until now" in told
    table.must("withdraw", str(table.newest()))
    scratch = ["--label", "scratch", "--serial", SCRATCH, "--from", B1]
    told = table.must("plan", "drill", *scratch, *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    assert action == Drill(token_label="scratch", token_serial=SCRATCH, source=B1)
    assert "never rehearsed → rehearsed and emptied again" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backup", "remove", "vault"], "vault: no backup token of this ledger"),
        (["restore", "--label", "k", "--serial", "1", "--from", "vault"], "vault: no backup token of this ledger"),
        (
            ["drill", "--label", "k", "--serial", B1, "--from", "backup-1"],
            f"token {B1} has a part in this ledger already",
        ),
        (["backup", "enroll", "--label", "k", "--serial", "x" * 17], "str` of length <= 16"),
        (["backup", "enroll", "--label", "k\u202e", "--serial", "1"], "U+202E is not printable text on one line"),
    ],
)
def test_token_plans_that_cannot_be_are_refused(table: Table, arguments: list[str], message: str) -> None:
    told = table.run("plan", *arguments, *table.where)
    assert told.code == 1
    assert message in told.message
    assert not list((table.ledger / "pending").iterdir())


def test_the_rotation_is_drafted_and_its_checklist_printed(table: Table) -> None:
    told = table.must("plan", "rotate", "sspin.B", *table.where)
    plan = table.paper(table.newest()).plan
    assert plan.title == "Rotation of sspin.B, plan 1 of 4: new keys"
    lines = told.splitlines()
    at = lines.index("The whole rotation of sspin.B")
    assert lines[at + 1] == "   [this plan]       1. make and activate sspin.B.2; old and new both convert"
    assert lines[at + 2].startswith("   [next: the hub]   2. the hub converts every number")
    assert lines[at + 6].startswith("   !! no role may convert sspin.B to sspin.B")
    assert f"generate sspin.B.2: copied to backup-1 (serial {B1}), then sealed" in told
    assert "current key of sspin.B: sspin.B.1 → sspin.B.2" in told
