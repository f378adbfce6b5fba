"""`appliance bulk convert` on a real daemon: CSV and Parquet, rejects, what is refused before anything is made."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulkkit import HUB, OLD, Done, Numbers, arguments, asked, bulk, column, table

from tests.daemonkit import Daemon

BACK = ("--from", OLD, "--to", "sspin.B")


def convert(daemon: Daemon, source: Path, target: Path, *more: str, reference: str = "a job") -> Done:
    terms = {**HUB, "reference": reference}
    return bulk(*arguments("convert", source, target, daemon.world.socket("hub"), terms, *more))


def test_a_column_is_converted_and_nothing_else_changes(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    (folder / "in.csv").write_bytes(table(numbers.old))
    done = convert(daemon, folder / "in.csv", folder / "out.csv", *BACK, "--segment", "700", reference="plain")
    assert (done.code, done.err) == (0, "")
    assert (folder / "out.csv").read_bytes() == table(numbers.b)
    assert "converted  4,000 from sspin.C.1 to sspin.B.1\nrejected   none\n" in done.out
    assert f"output     {folder}/out.csv\n" in done.out
    assert sorted(path.name for path in folder.iterdir()) == ["in.csv", "out.csv", "out.csv.summary.json"]
    modes = {stat.S_IMODE((folder / name).stat().st_mode) for name in ("out.csv", "out.csv.summary.json")}
    assert modes == {0o600}
    assert asked(daemon, "plain") == {(OLD, "sspin.B.1"): 4_000}


def test_the_summary_in_json(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    """On standard output and beside the output alike; it holds no number of a person."""
    (folder / "in.csv").write_bytes(table(numbers.old[:50]))
    done = convert(daemon, folder / "in.csv", folder / "out.csv", *BACK, "--json")
    said = json.loads((folder / "out.csv.summary.json").read_bytes())
    assert done.json == said
    assert (said["rows"], said["counts"], said["source"], said["target"]) == (50, {"converted": 50}, OLD, "sspin.B.1")
    assert said["rejects"] is None and said["census"] is None
    assert not any(number in done.out for number in numbers.old + numbers.b)


def test_rows_left_out_are_listed_with_the_reason(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    rows = [f"{row},{number}" for row, number in enumerate(numbers.old[:10])]
    rows[2], rows[4], rows[6], rows[8] = "2,NOBODYS1234", "4,", "6", '8,"not a\nnumber"'
    (folder / "in.csv").write_text("id,number\n" + "\n".join(rows) + "\n")
    done = convert(daemon, folder / "in.csv", folder / "out.csv", *BACK, "--segment", "3", reference="rejects")
    assert done.code == 1
    wanted = {"3": "unknown_number", "5": "empty", "7": "wrong_columns", "9": "malformed_number"}
    with (folder / "out.csv.rejects.csv").open(newline="") as file:
        listed = list(csv.reader(file))
    assert listed[0] == ["row", "reason", "id", "number"]
    assert {row[0]: row[1] for row in listed[1:]} == wanted
    assert listed[1] == ["3", "unknown_number", "2", "NOBODYS1234"]
    good = [number for row, number in enumerate(numbers.b[:10]) if row not in (2, 4, 6, 8)]
    assert column((folder / "out.csv").read_bytes()) == good
    assert "rejected   4: 1 empty, 1 wrong_columns, 1 malformed_number, 1 unknown_number, listed in" in done.out
    assert asked(daemon, "rejects") == {(OLD, "sspin.B.1"): 8}, "nothing is asked about empty cells and broken rows"


def test_empty_cells_can_be_kept(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    (folder / "in.csv").write_text(f"id,number\n0,{numbers.old[0]}\n1,\n2,{numbers.old[2]}\n")
    done = convert(daemon, folder / "in.csv", folder / "out.csv", *BACK, "--empty", "keep")
    assert done.code == 0
    assert (folder / "out.csv").read_text() == f"id,number\n0,{numbers.b[0]}\n1,\n2,{numbers.b[2]}\n"
    assert "kept       1 empty\n" in done.out


def test_a_table_without_rows(daemon: Daemon, folder: Path) -> None:
    (folder / "in.csv").write_text("id,number\n")
    assert convert(daemon, folder / "in.csv", folder / "out.csv", *BACK).code == 0
    assert (folder / "out.csv").read_text() == "id,number\n"


def test_parquet(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    """Nulls are kept, other columns as they were; rejects are CSV."""
    cells = [*numbers.old[:900], None, "NOBODYS1234", *numbers.old[900:1_000]]
    read = pa.table({"id": list(range(len(cells))), "number": cells, "names": [["a", "b"]] * len(cells)})
    pq.write_table(read, folder / "in.parquet", row_group_size=300)
    done = convert(daemon, folder / "in.parquet", folder / "out.parquet", *BACK, "--empty", "keep", "--segment", "256")
    assert done.code == 1
    written = pq.read_table(folder / "out.parquet")
    assert written.schema == read.schema
    assert written.column("number").to_pylist() == [*numbers.b[:900], None, *numbers.b[900:1_000]]
    assert written.column("id").to_pylist() == [row for row in range(len(cells)) if row != 901]
    assert "902,unknown_number,901,NOBODYS1234" in (folder / "out.parquet.rejects.csv").read_text()


def test_a_domain_means_its_current_generation(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    """From the beginning of the job to its end."""
    (folder / "in.csv").write_bytes(table(numbers.b[:300]))
    done = convert(daemon, folder / "in.csv", folder / "out.csv", "--from", "sspin.B", "--to", "sspin.C")
    assert "from sspin.B.1 to sspin.C.2" in done.out
    assert column((folder / "out.csv").read_bytes()) == list(numbers.new[:300])


@pytest.mark.parametrize("taken", ["out.csv", "out.csv.rejects.csv", "out.csv.summary.json"])
def test_nothing_is_overwritten(daemon: Daemon, numbers: Numbers, folder: Path, taken: str) -> None:
    """Said at once, before the daemon is asked."""
    (folder / "in.csv").write_bytes(table(numbers.old[:5]))
    (folder / taken).write_text("mine")
    done = convert(daemon, folder / "in.csv", folder / "out.csv", *BACK, reference=f"taken {taken}")
    assert done.code != 0
    assert done.err.startswith(f"error: {folder}/{taken}: exists already; nothing is overwritten\nhint: name another")
    assert (folder / taken).read_text() == "mine"
    assert sorted(path.name for path in folder.iterdir()) == sorted(["in.csv", taken])
    assert not asked(daemon, f"taken {taken}")


REFUSED = {
    "no such column": (["--column", "nummer"], "nummer"),
    "no such pair": (["--to", "sspin.A"], "sspin.A has no active key"),
    "no such domain": (["--to", "sspin.Z"], "sspin.C → sspin.Z: the role hub may not convert this"),
    "no such generation": (["--from", "sspin.C.7"], "sspin.C.7: the ledger has no such key generation"),
    "no such purpose": (
        ["--purpose", "curiosity"],
        "purpose curiosity: the role hub has it not; it has: ",
    ),
    "to itself": (["--to", "sspin.C.2"], "sspin.C → sspin.C: the role hub may not convert this"),
    "elsewhere": (["--rejects", "/proc/rejects.csv"], "/proc/rejects.csv: is on another file system than"),
    "one name for two": (["--rejects", "out.csv.summary.json"], "two outputs cannot have one name"),
    "no order at all": (["--order", "nowhere.order.cms"], "order nowhere.order.cms: No such file or directory"),
    "an order that is none": (["--order", "in.csv"], "the daemon refuses: order_invalid"),
    "no such folder": (["--rejects", "nowhere/rejects.csv"], "nowhere: No such file or directory"),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_cannot_be_done_is_said_before_anything_is_made(
    daemon: Daemon, numbers: Numbers, folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more, message = REFUSED[what]
    monkeypatch.chdir(folder)
    (folder / "in.csv").write_bytes(table(numbers.old[:5]))
    done = convert(daemon, folder / "in.csv", folder / "out.csv", *BACK, *more)
    assert done.code in (1, 2, 3)
    assert message in done.err and done.err.startswith("error: ")
    assert [path.name for path in folder.iterdir()] == ["in.csv"]


def test_no_daemon(numbers: Numbers, folder: Path) -> None:
    (folder / "in.csv").write_bytes(table(numbers.old[:5]))
    done = bulk(*arguments("convert", folder / "in.csv", folder / "out.csv", folder / "sock", HUB, *BACK))
    assert (done.code, done.err.splitlines()[0]) == (6, f"error: {folder}/sock: No such file or directory")
    assert [path.name for path in folder.iterdir()] == ["in.csv"]


def test_a_dry_run_sends_no_number(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    cells = [*numbers.old[:20], "", "NOBODYS1234", "not a number"]
    (folder / "in.csv").write_bytes(table(cells) + b"99,a row that is too short\n")
    done = convert(daemon, folder / "in.csv", folder / "out.csv", *BACK, "--dry-run", "--segment", "5", reference="dry")
    assert done.code == 0
    assert done.out.splitlines()[:4] == [
        f"dry run    convert {OLD} → sspin.B.1: allowed, and no number was sent",
        "rows       24 in 5 segments",
        "to ask     21 well-formed numbers; whether they are anybody's only the job can tell",
        "left out   1 malformed_number, 1 empty, 1 wrong_columns",
    ]
    assert not asked(daemon, "dry")
    assert [path.name for path in folder.iterdir()] == ["in.csv"]
    said = convert(daemon, folder / "in.csv", folder / "out.csv", *BACK, "--dry-run", "--json").json
    assert (said["rows"], said["well_formed"], said["room"] > said["needed"]) == (24, 21, True)


def test_help_says_how() -> None:
    for command in ("convert", "rekey", "census", "resume", "status", "discard"):
        said = bulk(command, "--help").out
        assert said.startswith(f"Usage: appliance bulk {command} [OPTIONS] ")
        assert command in bulk("--help").out
    assert "docs/bulk.md" in bulk("--help").out
