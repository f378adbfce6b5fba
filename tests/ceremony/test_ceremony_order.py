"""Orders at the table: drafted, shown, signed by each with their own key, put together; every refusal in its words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ceremonykit as kit
import guidekit
import ledgerkit
import msgspec
import pytest
from guidekit import Reader
from ledgerkit import HOUR, make_found, make_policy, make_roster, make_signer, person, signer
from paperkit import Table, Told

from appliance.ledger import cms, order
from appliance.ledger.actions import ChangePolicy, ChangeRoster
from appliance.ledger.policy import DisclosureRules, Policy
from appliance.ledger.text import render_instant
from keyceremony.table import orders
from keyceremony.words import last_four
from tests.world import PROJECT

FILE = Path("case-7.order.json")
CASE = "東京地裁 令和8年(行ウ)第12号"
DRAFT = {
    "--source": "sspin.B",
    "--target": "resident",
    "--role": "inquiry",
    "--purpose": "court-order",
    "--most": "3",
    "--days": "30",
    "--case": CASE,
}


def with_inquiry(**rules: int) -> Policy:
    hub = make_policy().roles["hub"]
    inquiry = msgspec.structs.replace(
        hub, pairs=(("sspin.B", "resident"), ("sspin.B", "sspin.E")), purposes=("court-order",)
    )
    limited = msgspec.structs.replace(hub, values_without_order=10)
    roles = {"hub": hub, "inquiry": inquiry, "limited": limited}
    return Policy(roles=roles, disclosure=DisclosureRules(**{"officers": 1, **rules}))


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    """An order needs one officer and one oversight member."""
    made = ledgerkit.Book()
    made.add([make_found(policy=with_inquiry())])
    return made


@pytest.fixture
def table(
    tmp_path: Path, book: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Table]:
    yield Table(tmp_path, book.fork(), monkeypatch, capsys)


def draft(table: Table, name: str = "case-7", **changes: str | None) -> Told:
    options = {**DRAFT, **{f"--{option}": value for option, value in changes.items()}}
    words = [word for option, value in options.items() if value is not None for word in (option, value)]
    return table.run("order", "draft", name, *words, *table.where)


def drafted(table: Table, **changes: str | None) -> orders.OrderPaper:
    told = draft(table, **changes)
    assert told.code == 0, told.err
    return orders.load(FILE)


def sign_command(table: Table, name: str, *more: str) -> list[str]:
    paper = orders.load(FILE)
    confirmed = ["--confirm-words", last_four(paper.words), "--confirm-subject", " ".join(paper.subjects)]
    return ["order", "sign", str(FILE), "--as", name, *table.own(name), *confirmed, *table.where, *more]


def by_hand(paper: orders.OrderPaper, who: str, name: str, at: datetime | None = None) -> Path:
    """A signature of whatever the order's file holds, without any of the tool's checks."""
    path = Path(name)
    path.write_bytes(cms.sign(paper.data, signer(who), at or datetime.now(UTC)))
    return path


def test_from_the_draft_to_the_file_that_requests_carry(table: Table) -> None:
    told = draft(table)
    assert told.code == 0, told.err
    paper = orders.load(FILE)
    for line in (
        f"Disclosure order: {CASE}",
        "   role     inquiry, for court-order",
        "   convert  sspin.B → resident",
        "            !! answers show resident itself: from it, all other numbers of a person follow",
        "   most     3 numbers in all",
        f"   valid    from {paper.order.not_before} until {paper.order.not_after}",
        f"   ledger   {table.book.anchor}, this one",
        "Signatures needed: 1 officer, 1 oversight",
        "   signed by  nobody yet",
        "   missing    1 officer: any 1 of ito, sato, mori",
        "   missing    1 oversight: any 1 of ueda, kato",
        "This order in words, to be read aloud and compared:",
        f"   SHA-256  {paper.digest}",
        f"Next: keyceremony order sign {FILE} --as ito --token ito {' '.join(table.where)}",
    ):
        assert line in told.out.splitlines()
    begins, ends = order.validity(paper.order)
    assert ends - begins == timedelta(days=30)
    assert "Signed as ueda, signature verified: case-7.ueda.signature.cms" in table.must(*sign_command(table, "ueda"))
    shown = table.must("order", "show", str(FILE), *table.where)
    assert "   signed by  ueda (oversight, " in shown
    assert "   missing    1 officer: any 1 of ito, sato, mori" in shown
    assert shown.splitlines()[-1].startswith(f"Next: keyceremony order sign {FILE} --as ito --token ito ")
    table.must(*sign_command(table, "sato"))
    shown = table.must("order", "show", str(FILE), *table.where)
    assert shown.splitlines()[-1] == f"Next: keyceremony order finish {FILE} {' '.join(table.where)}"
    told = table.run("order", "finish", str(FILE), *table.where)
    assert told.code == 0, told.err
    assert told.out.startswith("Put together and verified: case-7.order.cms\n")
    assert f"   SHA-256  {paper.digest} names it in the audit log" in told.out
    der = Path("case-7.order.cms").read_bytes()
    found = order.verify(der, table.state(), now=datetime.now(UTC))
    assert (found.order, found.digest) == (paper.order, paper.digest)
    assert sorted(one.person.id for one in found.signers) == ["sato", "ueda"]
    shown = table.must("order", "show", "case-7.order.cms", *table.where)
    assert "sato (officer, " in shown and "ueda (oversight, " in shown and "Next:" not in shown


def test_without_the_ledger_an_order_is_shown_as_it_stands(table: Table) -> None:
    paper = drafted(table)
    table.must(*sign_command(table, "ueda"))
    for file in (str(FILE), "case-7.ueda.signature.cms"):
        shown = table.must("order", "show", file)
        assert f"   ledger   {table.book.anchor} (not compared: no verified ledger given)" in shown
        assert "   signed by  CN=ueda (" in shown and "; not compared with a roster)" in shown
        assert "!! answers" not in shown
        assert paper.digest in shown


def test_signed_elsewhere_in_any_order_and_under_any_name(table: Table) -> None:
    paper = drafted(table)
    Path("stick").mkdir()
    table.must(*sign_command(table, "mori", "--out", "stick/b"))
    table.must(*sign_command(table, "ueda", "--out", "stick/a"))
    assert not orders.signature_paths(paper)
    table.must("order", "finish", str(FILE), "stick/b", "stick/a", "stick/b", *table.where)
    der = Path("case-7.order.cms").read_bytes()
    assert len(order.verify(der, table.state(), now=datetime.now(UTC)).signers) == 2


def test_a_name_with_dots_has_its_own_signatures_only(table: Table) -> None:
    names = ("case", "case.7", "case.7.b")
    for name in names:
        assert draft(table, name).code == 0
        by_hand(orders.load(Path(f"{name}.order.json")), "ueda", f"{name}.ueda.signature.cms")
    for name in names:
        paper = orders.load(Path(f"{name}.order.json"))
        assert [path.name for path in orders.signature_paths(paper)] == [f"{name}.ueda.signature.cms"]
    assert draft(table, "other.order.json").code == 0 and Path("other.order.json").exists()


# --- drafting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"days": None}, "give either --until or --days", "an order ends"),
        ({"until": "2031-01-01T00:00:00Z"}, "give either --until or --days", "an order ends"),
        (
            {"days": None, "until": "2031-01-01T00:00"},
            "--until: '2031-01-01T00:00' is not a time with its zone",
            "give 2026-04-01T18:00:00+09:00, say",
        ),
        ({"from": "soon"}, "--from: 'soon' is not a time with its zone", "give 2026-04-01T18:00:00+09:00, say"),
        (
            {"from": "2026-04-01T18:00:00+09:00"},
            "not_before: must not be earlier than issued; an order allows nothing afterwards",
            None,
        ),
        ({"role": "nobody"}, "role: the policy has no role nobody", "roles: hub, inquiry, limited"),
        (
            {"role": "hub"},
            "the policy does not let hub convert sspin.B → resident",
            "an order lifts no rule; the pair must be in the policy: keyceremony plan policy",
        ),
        ({"purpose": "curiosity"}, "purpose: inquiry does not convert for curiosity", "purposes: court-order"),
        (
            {"target": "sspin.E"},
            "inquiry converts sspin.B → sspin.E without an order, and without a limit to it",
            "values_without_order of the policy sets a limit: keyceremony plan policy",
        ),
        ({"case": "two\nlines"}, "case: U+000A is not printable text on one line", None),
        ({"days": "367"}, None, "Draft a shorter order, and another one when it has ended."),
    ],
)
def test_drafts_that_are_refused(
    table: Table, changes: dict[str, str | None], message: str | None, hint: str | None
) -> None:
    told = draft(table, **changes)
    assert told.code in (1, 2)
    if message is not None:
        assert told.message == message
    else:
        assert told.message.endswith("; the policy allows 366 days")
    if hint is not None:
        assert told.hint == hint
    assert not FILE.exists()


def test_an_order_for_more_than_a_role_may_without_one(table: Table) -> None:
    paper = drafted(table, role="limited", target="sspin.E", purpose="exchange", most="5000")
    assert (paper.order.role, paper.order.most) == ("limited", 5000)


def test_times_are_taken_with_their_zone(table: Table) -> None:
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    japan = f"{begins + timedelta(hours=9):%Y-%m-%dT%H:%M:%S}+09:00"
    ends = render_instant(begins + HOUR)
    paper = drafted(table, **{"from": japan}, until=ends, days=None)
    assert (paper.order.not_before, paper.order.not_after) == (render_instant(begins), ends)
    assert f"   valid    from {render_instant(begins)} until {ends}; NOT YET" in table.must("order", "show", str(FILE))
    for name in ("ueda", "ito"):
        table.must(*sign_command(table, name))
    table.must("order", "finish", str(FILE), *table.where)


def test_days_count_from_the_beginning(table: Table) -> None:
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(days=100)
    paper = drafted(table, **{"from": render_instant(begins)})
    assert order.validity(paper.order) == (begins, begins + timedelta(days=30))


def test_nothing_is_overwritten(table: Table) -> None:
    drafted(table)
    told = draft(table)
    assert (told.code, told.message) == (1, f"{FILE}: exists already; nothing is overwritten")
    for name in ("ueda", "ito"):
        table.must(*sign_command(table, name))
    table.must("order", "finish", str(FILE), *table.where)
    told = table.run("order", "finish", str(FILE), *table.where)
    assert told.message == "case-7.order.cms: exists already; nothing is overwritten"


# --- signing ------------------------------------------------------------------------------------


def test_words_and_subject_are_typed_before_the_key_is_asked_for(table: Table) -> None:
    paper = drafted(table)
    words = last_four(paper.words)
    command = ["order", "sign", str(FILE), "--as", "ueda", *table.own("ueda"), *table.where]
    told = table.run(*command, typed="one two three four\n")
    assert told.message == "these are not the last four words of this order's digest; nothing was signed"
    assert told.out.rstrip().endswith("ueda: to sign, type the LAST FOUR words (Ctrl-C: do not sign):")
    told = table.run(*command, typed=f"{words}\nspin\n")
    assert told.message == "'spin' is not what this order is about; nothing was signed"
    assert "What is disclosed cannot be taken back. Type from which numbers to which (sspin.B resident):" in told.out
    told = table.run(*command, typed=f"{words}\n")
    assert (told.code, told.message) == (1, "stopped")
    assert not orders.signature_paths(paper)
    assert "Signed as ueda" in table.must(*command, typed=f"{words}\nsspin.B resident\n")


def test_who_may_not_sign(table: Table) -> None:
    drafted(table)
    told = table.run(*sign_command(table, "eve"))
    assert (told.message, told.hint) == ("eve is not in the roster", "people: ito, sato, mori, ueda, kato")
    command = sign_command(table, "kato")
    pem = command.index("--pem") + 1
    command[pem] = table.pem("ueda")
    told = table.run(*command)
    assert told.message == "ueda.pem: its key is not the one of the certificate in the roster"
    table.must(*sign_command(table, "kato"))
    told = table.run(*sign_command(table, "kato"))
    assert told.message == "kato has signed this order already (case-7.kato.signature.cms)"
    assert told.hint == "another person must sign"


def test_a_certificate_that_ends_before_the_order(table: Table) -> None:
    now = datetime.now(UTC)
    short = make_signer("kato", not_before=now - HOUR, not_after=now + timedelta(days=7))
    people = [one for one in table.book.state.roster.people if one.id != "kato"]
    table.book.add([ChangeRoster(roster=make_roster([*people, person("kato", "oversight", short)]))])
    table.write_ledger()
    drafted(table)
    command = sign_command(table, "kato")
    command[command.index("--pem") + 1] = table.pem("kato", short)
    told = table.run(*command)
    assert "kato signed at " in told.message and "it must cover the signature and the order's end" in told.message
    assert not orders.signature_paths(orders.load(FILE))


def test_an_order_of_another_ledger_or_overtaken_by_the_policy_is_not_signed(table: Table) -> None:
    paper = drafted(table)
    other = msgspec.structs.replace(paper.order, anchor="ab" * 32)
    Path("other.order.json").write_bytes(order.encode(other))
    told = table.run("order", "sign", "other.order.json", "--as", "ueda", *table.own("ueda"), *table.where)
    assert told.message == f"the order is for the ledger {'ab' * 32}; this one is {table.book.anchor}"
    shown = table.run("order", "show", "other.order.json", *table.where)
    assert f"{'ab' * 32}, which is NOT this ledger's {table.book.anchor}" in shown.out
    table.book.add([ChangePolicy(policy=make_policy())])
    table.write_ledger()
    told = table.run(*sign_command(table, "ueda"))
    assert told.message == "role: the policy has no role inquiry"
    for name in ("ueda", "ito"):
        by_hand(paper, name, f"case-7.{name}.signature.cms")
    told = table.run("order", "finish", str(FILE), *table.where)
    assert told.message == "role: the policy has no role inquiry"


# --- putting together ---------------------------------------------------------------------------


def test_until_enough_have_signed_the_next_command_is_named(table: Table) -> None:
    drafted(table)
    where = " ".join(table.where)
    told = table.run("order", "finish", str(FILE), *table.where)
    assert (told.code, told.message) == (
        1,
        "the order has 0 of 1 officer signatures (still can: ito, sato, mori); "
        "0 of 1 oversight signatures (still can: ueda, kato)",
    )
    assert told.hint == f"have it signed: keyceremony order sign {FILE} --as ito --token ito {where}"
    table.must(*sign_command(table, "mori"))
    table.must(*sign_command(table, "ito"))
    told = table.run("order", "finish", str(FILE), *table.where)
    assert told.message == "the order has 0 of 1 oversight signatures (still can: ueda, kato)"
    assert told.hint == f"have it signed: keyceremony order sign {FILE} --as ueda --token ueda {where}"
    assert not Path("case-7.order.cms").exists()


def test_oversight_alone_where_an_officer_is_needed_too(table: Table) -> None:
    drafted(table)
    for name in ("ueda", "kato"):
        table.must(*sign_command(table, name))
    told = table.run("order", "finish", str(FILE), *table.where)
    assert told.message == "the order has 0 of 1 officer signatures (still can: ito, sato, mori)"


def test_signatures_that_do_not_belong(table: Table) -> None:
    paper = drafted(table)
    by_hand(paper, "ueda", "case-7.ueda.signature.cms")
    assert draft(table, "case-8").code == 0
    strange = by_hand(orders.load(Path("case-8.order.json")), "ito", "other.cms")
    told = table.run("order", "finish", str(FILE), str(strange), *table.where)
    assert told.message == f"other.cms: approves other bytes than {FILE} holds"
    assert (
        told.hint == "the order was changed after approval, or the approval is of another order; draft and approve anew"
    )
    eve = by_hand(paper, "eve", "eve.cms")
    told = table.run("order", "finish", str(FILE), str(eve), *table.where)
    assert told.message == "signed by CN=eve, who is not in the roster"
    damaged = by_hand(paper, "ito", "damaged.cms")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    told = table.run("order", "finish", str(FILE), str(damaged), *table.where)
    assert told.message.startswith("damaged.cms: ")
    assert not Path("case-7.order.cms").exists()


def test_an_order_changed_after_it_was_signed(table: Table) -> None:
    paper = drafted(table)
    for name in ("ueda", "ito"):
        table.must(*sign_command(table, name))
    FILE.write_bytes(paper.data.replace(b'"most":3', b'"most":9'))
    told = table.run("order", "finish", str(FILE), *table.where)
    assert told.message == f"case-7.ito.signature.cms: approves other bytes than {FILE} holds"


def test_one_person_twice_counts_once(table: Table) -> None:
    paper = drafted(table)
    first = by_hand(paper, "ueda", "case-7.ueda.signature.cms")
    second = by_hand(paper, "ueda", "again.cms", datetime.now(UTC) + timedelta(seconds=1))
    assert first.read_bytes() != second.read_bytes()
    told = table.run("order", "finish", str(FILE), str(second), *table.where)
    assert told.message == "the order has 0 of 1 officer signatures (still can: ito, sato, mori)"


def test_an_order_that_is_over(table: Table) -> None:
    paper = drafted(table)
    before = datetime.now(UTC) - timedelta(days=10)
    times = {"issued": before, "not_before": before, "not_after": before + timedelta(days=1)}
    over = msgspec.structs.replace(paper.order, **{name: render_instant(at) for name, at in times.items()})
    FILE.write_bytes(order.encode(over))
    told = table.run(*sign_command(table, "ueda"))
    assert told.message.startswith(f"the order was valid until {over.not_after}; it is ")
    for name in ("ueda", "ito"):
        by_hand(orders.load(FILE), name, f"case-7.{name}.signature.cms", before + HOUR)
    told = table.run("order", "finish", str(FILE), *table.where)
    assert told.message.startswith(f"the order was valid until {over.not_after}; it is ")
    assert told.hint == "Draft and sign a new order, if the disclosure is still needed."
    assert f"until {over.not_after}; NOT ANY MORE" in table.must("order", "show", str(FILE), *table.where)


# --- files --------------------------------------------------------------------------------------


def test_files_that_are_no_orders(table: Table) -> None:
    Path("plan.json").write_bytes(b"{}")
    told = table.run("order", "show", "plan.json")
    assert (told.code, told.message) == (2, "plan.json: an order is drafted in NAME.order.json")
    Path("x.order.json").write_bytes(b"{}")
    told = table.run("order", "show", "x.order.json")
    assert told.message.startswith("x.order.json: Object missing required field")
    authorization = table.ledger / "000001.authorization.cms"
    told = table.run("order", "show", str(authorization))
    assert told.message.startswith(f"{authorization}: Object ")
    told = table.run("order", "show", "missing.order.json")
    assert told.message.startswith("missing.order.json: cannot be read")


def test_an_empty_ledger_has_nobody_to_sign(table: Table, tmp_path: Path) -> None:
    told = table.run("order", "draft", "x", *[w for pair in DRAFT.items() for w in pair], "--ledger", "empty")
    assert (told.code, told.message) == (2, "--anchor is missing")
    where = ["--ledger", "empty", "--anchor", "ab" * 32]
    told = table.run("order", "draft", "x", *[w for pair in DRAFT.items() for w in pair], *where)
    assert told.message == "the ledger is empty"


# --- with tokens --------------------------------------------------------------------------------


PAGE = PROJECT / "docs" / "disclosure-orders.md"


def test_the_page_about_orders_is_run_as_it_stands(enrolled_stage: kit.Stage, tmp_path: Path) -> None:
    """People sign with their own tokens, at a terminal; OpenSSL reads the result."""
    page = PAGE.read_text(encoding="utf-8")
    stage = enrolled_stage.copy(tmp_path / "kagimori")
    (policy,) = (step.text for step in guidekit.steps(page) if isinstance(step, guidekit.Written))
    with (stage.folder / "setup.toml").open("a", encoding="utf-8") as file:
        file.write(policy)
    kit.founded(stage)
    guidekit.lay_out_tools(stage.folder)
    (stage.folder / "stick").mkdir()
    reader = Reader(
        stage,
        answers={
            r"PIN of token \S+: $": lambda asked: kit.PIN,
            r"LAST FOUR words .*: $": lambda asked: last_four(orders.load(stage.folder / "case-4711.order.json").words),
            r"from which numbers to which \((.*)\): $": lambda asked: asked[1],
        },
        replacements={"/media/stick": f"{stage.folder}/stick"},
    )
    assert reader.read(page) == page.count("\n$ ")
    found = order.verify((stage.folder / "case-4711.order.cms").read_bytes(), stage.state(), now=datetime.now(UTC))
    assert {one.person.id for one in found.signers} == {"officer-2", "oversight-1"}
