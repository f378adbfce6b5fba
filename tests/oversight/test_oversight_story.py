"""Logs whose every byte is right, signed and in the tree, and which are dishonest all the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from ledgerkit import NOW, signer
from logkit import BEGIN, HUB, Log, policy, put

from appliance.audit import records
from appliance.ledger import canonical, cms, order
from appliance.ledger.actions import Activate, ChangePolicy, Generate, Restrict
from appliance.ledger.order import Order
from appliance.ledger.text import render_instant
from appliance.oversight.verify.whole import Demands, verify
from appliance.tlog.tiles import ENTRIES, tile_of

PORTAL = {**HUB, "role": "portal"}


def told(log: Log, folder: Path, demands: Demands | None = None) -> list[str]:
    """What verifying a copy of the log finds."""
    return [str(one) for one in verify(log.write(folder / "copy"), log.book.anchor, demands or Demands()).findings.kept]


@pytest.fixture
def started() -> Log:
    """A daemon has just started: four records."""
    log = Log()
    log.start()
    return log


def test_everything_that_may_happen(tmp_path: Path, started: Log) -> None:
    """Every kind of record, in an order that can be."""
    peer = {**HUB, "role": "portal"}
    marked = started.convert(5, converted=3, malformed=1, unknown=1)
    started.convert(2, converted=0, malformed=2, tags=None, tag_key=None)
    started.convert(50_000, stream=1)
    started.add(
        records.StreamClosed(**HUB, source="sspin.B.1", target="sspin.E.1", stream=1, count=9, outcome="complete")
    )
    started.add(records.Refusal(**HUB, code="pair_denied", source="sspin.B", target=None, purpose=None))
    started.add(records.HistoryRead(**peer, source="sspin.B.1", reference="portal-1", found=2))
    started.add(records.NotRecognised(**peer, source="sspin.B.1", marked=marked, reference="portal-2"))
    started.add(records.EngineLost(pid=9, reason="killed"))
    started.add(records.EngineRegained(pid=10))
    started.add(records.LedgerRefused(reason="no"))
    started.add(records.AuditLost(reason="no space"))
    started.add(records.AuditRegained(lost=3))
    started.convert()
    started.book.add([ChangePolicy(policy=policy(roles={}))], ("ito", "sato", "mori", "ueda", "kato"))
    started.load()
    started.convert()  # was under way when the ledger was replaced
    started.stop()
    started.add(records.Repair(removed=17))
    started.start()
    started.start()  # the one before was killed
    result = verify(started.write(tmp_path / "copy"), started.book.anchor, Demands())
    assert [str(one) for one in result.findings.kept] == []
    assert result.told.crashes == [started.size - 1]
    assert len(result.told.repairs) == len(result.told.losses) == 1


def test_converted_after_the_stop(tmp_path: Path, started: Log) -> None:
    started.stop()
    at = started.convert()
    assert told(started, tmp_path) == [
        f"record {at}: converted or looked up outside a run (1 records): no start before it"
    ]


def test_the_log_begins_without_a_start(tmp_path: Path) -> None:
    log = Log()
    log.load()
    log.convert()
    assert told(log, tmp_path) == [
        "record 3: a ledger is loaded outside a run: no start before it",
        "record 4: converted or looked up outside a run (1 records): no start before it",
    ]


def test_converted_without_a_ledger(tmp_path: Path) -> None:
    log = Log()
    log.add(records.Start(version="0.1.0", pid=1, roles=()))
    log.convert()
    assert "record 2: converted or looked up before a ledger was in force" in told(log, tmp_path)


def test_converted_while_the_log_was_lost(tmp_path: Path, started: Log) -> None:
    lost = started.add(records.AuditLost(reason="no space"))
    at = started.convert()
    assert told(started, tmp_path) == [
        f"record {at}: converted or looked up while the log could not be written (record {lost})"
    ]


def test_a_ledger_that_nobody_signed(tmp_path: Path, started: Log) -> None:
    at = started.add(records.LedgerLoaded(sequence=2, head="ab" * 32))
    assert told(started, tmp_path) == [
        f"record {at}: names ledger entry 2 with head {'ab' * 32}; the copy's has {started.book.state.head}"
    ]


def test_a_ledger_entry_cut_off_the_copy(tmp_path: Path, started: Log) -> None:
    """The log saw entry 3; a copy whose ledger ends before it hides a ceremony."""
    started.book.add([Generate(generation="sspin.B.2", parent="spin.1")], ("ito", "sato", "ueda"))
    started.load()
    copy = started.write(tmp_path / "copy")
    for kind in ("authorization", "outcome"):
        (copy / "ledger" / f"000003.{kind}.cms").unlink()
    found = [str(one) for one in verify(copy, started.book.anchor, Demands()).findings.kept]
    assert found == [f"record {record}: names ledger entry 3; the ledger in the copy ends at 2" for record in (5, 6)]


def test_an_older_ledger_in_force_again(tmp_path: Path, started: Log) -> None:
    started.book.add([Generate(generation="sspin.B.2", parent="spin.1")], ("ito", "sato", "ueda"))
    started.load()
    older = started.verified()[1]
    at = started.add(records.LedgerLoaded(sequence=2, head=older.head))
    assert told(started, tmp_path) == [f"record {at}: ledger entry 2 is in force after 3: rolled back"]


def test_a_ceremony_left_out(tmp_path: Path, started: Log) -> None:
    started.book.add([Generate(generation="sspin.B.2", parent="spin.1")], ("ito", "sato", "ueda"))
    newest = started.verified()[2]
    at = started.add(records.LedgerLoaded(sequence=3, head=newest.head))
    assert told(started, tmp_path) == [
        f"record {at}: ledger entry 3 is in force and has no ceremony record before this"
    ]


def test_a_ceremony_told_otherwise(tmp_path: Path) -> None:
    log = Log()
    log.add(records.Start(version="0.1.0", pid=1, roles=()))
    log.load()
    entry = records.decode(log.entries[1])
    assert isinstance(entry, records.Ceremony)
    lied = Log()
    lied.add(records.Start(version="0.1.0", pid=1, roles=()))
    lied.add(records.Ceremony(sequence=1, head=entry.head, title="harmless", actions=(), finished=entry.finished))
    assert told(lied, tmp_path) == ["record 2: tells of ledger entry 1 otherwise than the ledger does"]


def test_a_ceremony_out_of_order(tmp_path: Path) -> None:
    log = Log()
    log.add(records.Start(version="0.1.0", pid=1, roles=()))
    second = log.verified()[1]
    log.add(records.Ceremony(sequence=2, head=second.head, title=second.plan.title, actions=(), finished="never"))
    assert told(log, tmp_path)[0] == "record 2: ceremony of ledger entry 2 follows that of 0"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"role": "stranger"}, "the policy has no role 'stranger'"),
        ({"target": "sspin.B.1"}, "hub may not convert sspin.B to sspin.B"),
        ({"purpose": "curiosity"}, "hub may not convert for curiosity"),
        ({"target": "sspin.E.2"}, "sspin.E.2 is not in the ledger"),
        ({"count": 101, "converted": 101}, "hub may convert 100 numbers in a request; 101 were"),
        ({"tag_key": "log.1"}, "log.1 is no key for subject tags"),
        ({"tag_key": "tag.2"}, "tag.2 is not in the ledger"),
        ({"target": "resident"}, "hub needs a disclosure order to convert sspin.B to resident, and none is recorded"),
    ],
)
def test_what_the_ledger_does_not_allow(tmp_path: Path, started: Log, changes: dict[str, object], said: str) -> None:
    at = started.convert(**changes)
    started.convert(**changes)
    assert told(started, tmp_path) == [f"record {at}: {said} (ledger entry 2)"]


def test_a_history_that_the_role_may_not_ask_for(tmp_path: Path, started: Log) -> None:
    at = started.add(records.HistoryRead(**HUB, source="sspin.B.1", reference="r", found=0))
    assert told(started, tmp_path) == [f"record {at}: hub may not look up by sspin.B.1 (ledger entry 2)"]


@pytest.mark.parametrize("marked", ["refusal", "itself", "later", "none", "no number"])
def test_a_mark_about_what_is_no_conversion(tmp_path: Path, started: Log, marked: str) -> None:
    refusal = started.add(records.Refusal(**HUB, code="pair_denied", source=None, target=None, purpose=None))
    at = started.size + 1
    about = {"refusal": refusal, "itself": at, "later": at + 1, "none": at + 1_000, "no number": 0}[marked]
    started.add(records.NotRecognised(**PORTAL, source="sspin.B.1", marked=about, reference="r"))
    started.convert()
    path = tile_of(ENTRIES, 0, started.size).path
    assert told(started, tmp_path) == [
        f"{path} entry {at - 1} (record {at}): marks record {about}, which is no conversion before it"
    ]


def test_a_mark_about_a_conversion_in_another_stretch_or_pruned(
    tmp_path: Path, started: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion that is not in the copy cannot be held against a mark."""
    monkeypatch.setattr("appliance.oversight.verify.whole.BUNDLES", 1)
    old = started.convert()
    started.grow(600)
    started.add(records.NotRecognised(**PORTAL, source="sspin.B.1", marked=old, reference="r"))
    assert told(started, tmp_path) == []
    started.add(records.Pruned(first=257))
    copy = started.write(tmp_path / "pruned")
    (copy / tile_of(ENTRIES, 0, started.size).path).unlink()
    assert verify(copy, started.book.anchor, Demands()).clean


def test_a_mark_by_a_role_that_may_not_look_up(tmp_path: Path, started: Log) -> None:
    marked = started.convert()
    at = started.add(records.NotRecognised(**HUB, source="sspin.B.1", marked=marked, reference="r"))
    assert told(started, tmp_path) == [f"record {at}: hub may not look up by sspin.B.1 (ledger entry 2)"]


def test_a_key_that_was_no_longer_in_use(tmp_path: Path, started: Log) -> None:
    """Converted to an old generation two ledgers after it was replaced: what was under way has long been answered."""
    people = ("ito", "sato", "ueda")
    started.book.add([Generate(generation="sspin.E.2", parent="spin.1"), Activate(generation="sspin.E.2")], people)
    started.book.add([Restrict(generation="sspin.E.1")], people)
    started.load(3)
    started.load(4)
    started.convert()  # may have been under way
    started.book.add([Generate(generation="sspin.B.2", parent="spin.1")], people)
    started.load()
    at = started.convert()
    assert told(started, tmp_path) == [f"record {at}: sspin.E.1 is decrypt-only (ledger entry 5)"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"converted": 2}, "converted, malformed and unknown numbers are not as many as were asked about"),
        ({"tags": None}, "subject tags must be there for converted numbers, and for no others"),
        ({"tag_key": None}, "subject tags must be there for converted numbers, and for no others"),
        ({"converted": 0, "unknown": 3}, "subject tags must be there for converted numbers, and for no others"),
    ],
)
def test_sums_that_do_not_add_up(tmp_path: Path, started: Log, changes: dict[str, object], said: str) -> None:
    at = started.convert(3, **changes)
    path = tile_of(ENTRIES, 0, started.size).path
    assert told(started, tmp_path) == [f"{path} entry {at - 1} (record {at}): {said}"]


def test_a_clock_set_back_is_told_and_a_small_step_is_not(tmp_path: Path, started: Log) -> None:
    before = started.clock
    started.clock -= timedelta(seconds=4)
    started.convert()
    started.clock = before - timedelta(hours=1)
    at = started.convert()
    started.convert()
    assert told(started, tmp_path) == [
        f"{tile_of(ENTRIES, 0, started.size).path} entry {at - 1} (record {at}): its time is "
        "2026-04-01T23:00:05.000000Z, 0:59:59 before that of record 4 (2026-04-02T00:00:04.000000Z): "
        "a clock was set back"
    ]


def test_a_clock_set_back_between_two_stretches(tmp_path: Path, started: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.oversight.verify.whole.BUNDLES", 1)
    started.grow(256)
    started.clock = BEGIN
    started.convert()
    started.grow(600)
    assert told(started, tmp_path) == [
        "record 257: its time is 2026-04-02T00:00:01.000000Z, 0:04:15 before that of record 256 "
        "(2026-04-02T00:04:16.000000Z): a clock was set back"
    ]


def test_a_time_that_is_none(tmp_path: Path, started: Log) -> None:
    at = started.size + 1
    started.convert()
    entry = started.entries.pop().replace(b"2026-04-02T", b"2026-99-02T")
    started.leaves.pop()
    started.append(entry)
    started.convert()
    (found,) = told(started, tmp_path)
    assert f"(record {at + 1}): its time is 2026-04-02T00:00:06.000000Z, which is no time, or follows one" in found


ORDER = Order(
    type="kagimori/order/v1",
    anchor="ab" * 32,
    id="01" * 16,
    source="sspin.B",
    target="resident",
    role="hub",
    purpose="tracing",
    most=10,
    issued=render_instant(NOW),
    not_before=render_instant(NOW),
    not_after=render_instant(BEGIN + timedelta(seconds=20)),
    case="case 4711",
)
DIGEST = order.digest(canonical.encode(ORDER))
UNDER = {"target": "resident", "purpose": "tracing", "order": DIGEST}


def test_an_order_used_as_it_allows(tmp_path: Path, started: Log) -> None:
    started.convert(6, **UNDER)
    started.convert(4, **UNDER)
    result = verify(started.write(tmp_path / "copy"), started.book.anchor, Demands(orders={DIGEST: ORDER}))
    assert [str(one) for one in result.findings.kept] == []
    assert result.told.orders == {DIGEST: 10}


def test_an_order_used_too_often(tmp_path: Path, started: Log) -> None:
    """Across a restart, too: a use counts wherever it stands. An order that is not known cannot be held against it."""
    started.convert(6, **UNDER)
    started.stop()
    started.start()
    at = started.convert(5, **UNDER)
    started.convert(5, **UNDER)
    demands = Demands(orders={DIGEST: ORDER})
    assert told(started, tmp_path, demands) == [
        f"record {at}: the order {DIGEST} allows 10 numbers; with these, 16 were asked for"
    ]
    assert verify(tmp_path / "copy", started.book.anchor, Demands()).clean


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": "sspin.E.1"}, "is for the target resident; it was used for sspin.E"),
        ({"purpose": "exchange"}, "is for the purpose tracing; it was used for exchange"),
    ],
)
def test_an_order_used_for_something_else(tmp_path: Path, started: Log, changes: dict[str, object], said: str) -> None:
    at = started.convert(1, **{**UNDER, **changes})
    assert told(started, tmp_path, Demands(orders={DIGEST: ORDER})) == [f"record {at}: the order {DIGEST} {said}"]


def test_an_order_used_after_its_end(tmp_path: Path, started: Log) -> None:
    started.clock += timedelta(minutes=1)
    at = started.convert(1, **UNDER)
    (found,) = told(started, tmp_path, Demands(orders={DIGEST: ORDER}))
    assert found.startswith(
        f"record {at}: the order {DIGEST} is valid from {ORDER.not_before} until {ORDER.not_after}; "
    )


def test_the_command_takes_signed_orders(tmp_path: Path, started: Log) -> None:
    from appliance.oversight.commands.verify_command import _order

    path = tmp_path / "case.order.cms"
    put(path, cms.merge([cms.sign(canonical.encode(ORDER), signer("ueda"), NOW + timedelta(minutes=1))]))
    assert _order(path) == (DIGEST, ORDER)


def pruned(log: Log, folder: Path, first: int, bundles: int) -> Path:
    """A copy of a log that says records before ``first`` were pruned, without its first bundles."""
    log.grow(1100)
    log.add(records.Pruned(first=first))
    copy = log.write(folder / "copy")
    for index in range(bundles):
        (copy / tile_of(ENTRIES, index, log.size).path).unlink()
    return copy


def test_pruned_bundles_may_be_missing(tmp_path: Path, started: Log) -> None:
    copy = pruned(started, tmp_path, 513, 2)
    result = verify(copy, started.book.anchor, Demands())
    assert [str(one) for one in result.findings.kept] == []
    assert (result.records, result.told.pruned) == (1101 - 512, 513)


def test_more_missing_than_was_pruned(tmp_path: Path, started: Log) -> None:
    copy = pruned(started, tmp_path, 512, 2)
    assert [str(one) for one in verify(copy, started.book.anchor, Demands()).findings.kept] == [
        "tile/entries/001: is missing (records 257 to 512); no record says that they were pruned"
    ]


def test_a_kept_copy_of_what_was_pruned_is_verified_all_the_same(tmp_path: Path, started: Log) -> None:
    copy = pruned(started, tmp_path, 513, 1)
    path = copy / "tile/entries/001"
    data = path.read_bytes()
    assert verify(copy, started.book.anchor, Demands()).clean
    path.write_bytes(data.replace(b"case-300", b"case-301"))
    assert [str(one) for one in verify(copy, started.book.anchor, Demands()).findings.kept] == [
        "tile/entries/001 entry 43 (record 300): its hash is not the one that tile/0/001 holds"
    ]


@pytest.mark.parametrize("first", [300, 9999])
def test_pruning_that_cannot_be(tmp_path: Path, started: Log, first: int) -> None:
    started.grow(600)
    started.add(records.Pruned(first=400))
    at = started.add(records.Pruned(first=first))
    assert told(started, tmp_path) == [f"record {at}: says that records before {first} were pruned, after 400"]
