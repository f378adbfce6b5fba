"""`appliance bulk rekey` and `census` on a real daemon: round trips, censuses, an appliance that answers wrongly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from bulkkit import NEW, OLD, REKEY, Between, Done, Numbers, arguments, asked, bulk, column, table

from appliance.bulk import census as documents
from appliance.bulk import rights
from appliance.bulk.errors import NotAllowed
from appliance.bulk.folder import Checkpoint, Spec
from appliance.hubkit.client import Client
from appliance.ledger import census
from appliance.numbers.domains import Generation
from tests.daemonkit import Daemon

FORWARD = ("--from", OLD, "--to", NEW)


def rekey(daemon: Daemon, source: Path, target: Path, *more: str, reference: str = "rotation-1") -> Done:
    terms = {**REKEY, "reference": reference}
    return bulk(*arguments("rekey", source, target, daemon.world.socket("rekey"), terms, *FORWARD, *more))


def count(daemon: Daemon, source: Path, target: Path, *more: str, reference: str = "rotation-1") -> Done:
    terms = {**REKEY, "reference": reference}
    return bulk(*arguments("census", source, target, daemon.world.socket("rekey"), terms, *more))


def test_every_number_is_rekeyed_and_asked_back(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    (folder / "in.csv").write_bytes(table(numbers.old))
    done = rekey(daemon, folder / "in.csv", folder / "out.csv", "--segment", "1500", reference="whole")
    assert (done.code, done.err) == (0, "")
    assert (folder / "out.csv").read_bytes() == table(numbers.new)
    assert f"converted  4,000 from {OLD} to {NEW}, each asked back\n" in done.out
    assert asked(daemon, "whole") == {(OLD, NEW): 4_000, (NEW, OLD): 4_000}


def test_the_census_of_a_rekeying(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    """It tells files, generations and the ledger, and a plan that retires the old key can cite it."""
    cells = [*numbers.old[:100], numbers.new[100], "NOBODYS1234", "not a number", ""]
    (folder / "in.csv").write_bytes(table(cells) + b"104,too short\n")
    done = rekey(daemon, folder / "in.csv", folder / "out.csv")
    data = (folder / "out.csv.census.json").read_bytes()
    found = census.parse(data)
    assert found.generations == {OLD: 0, NEW: 101}
    assert (found.neither, found.malformed, found.empty, found.rows) == (1, 2, 1, 105)
    assert found.input_sha256 == hashlib.sha256((folder / "in.csv").read_bytes()).hexdigest()
    assert found.output_sha256 == hashlib.sha256((folder / "out.csv").read_bytes()).hexdigest()
    assert (found.domain, found.purpose, found.reference) == ("sspin.C", "re-keying", "rotation-1")
    digest = hashlib.sha256(data).hexdigest()
    assert f"census     {folder}/out.csv.census.json, sha256 {digest}\n" in done.out
    cited = census.cite(data, daemon.world.state(), Generation.parse(OLD))
    assert (cited.digest, cited.counted, cited.left) == (digest, 105, 0)


def test_every_row_counts_once_in_a_census() -> None:
    """What passes as both counts as old, so that a plan that demands zero is not made over it."""
    spec = Spec(
        kind="rekey",
        input="/in.csv",
        fingerprint={},
        output="/out.csv",
        column="number",
        source=OLD,
        target=NEW,
        purpose="re-keying",
        reference="r",
        socket="/s",
        anchor="0" * 64,
        segment=1,
        connections=1,
        patience=1.0,
        began="2026-04-01T09:00:00Z",
    )
    counts = {"converted": 64, "kept": 32, "empty": 16, "wrong_columns": 8, "malformed_number": 4, "ambiguous": 2}
    checkpoint = Checkpoint(rows=255, counts={**counts, "unknown_number": 1, "already_current": 128})
    found = census.parse(documents.document(spec, checkpoint, "0" * 64, "1" * 64, "2026-04-01T09:00:01Z"))
    assert found.generations == {OLD: 2, NEW: 192}
    assert (found.neither, found.malformed, found.empty, found.rows) == (1, 12, 48, 255)


def test_numbers_of_the_new_generation_are_set_aside(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    cells = [numbers.new[row] if row % 5 == 0 else numbers.old[row] for row in range(50)]
    (folder / "in.csv").write_bytes(table(cells))
    done = rekey(daemon, folder / "in.csv", folder / "out.csv")
    assert done.code == 1
    assert column((folder / "out.csv").read_bytes()) == [numbers.new[row] for row in range(50) if row % 5]
    assert (folder / "out.csv.rejects.csv").read_text().count(",already_current,") == 10
    assert f"note       10 numbers were of {NEW} already: a mixed file (docs/bulk.md)" in done.out


def test_rekeying_its_own_output_changes_nothing(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    (folder / "in.csv").write_bytes(table(numbers.new[:400]))
    done = rekey(daemon, folder / "in.csv", folder / "out.csv", "--json")
    assert done.json["counts"] == {"already_current": 400}
    assert column((folder / "out.csv").read_bytes()) == []


def test_a_census_of_a_file(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    cells = [*numbers.new[:60], *numbers.old[60:63], "NOBODYS1234", "", "not a number"]
    (folder / "in.csv").write_bytes(table(cells))
    names = ("--generations", f"{OLD},{NEW}", "--segment", "20")
    done = count(daemon, folder / "in.csv", folder / "census.json", *names, "--rejects", str(folder / "left.csv"))
    assert done.code == 0
    found = census.parse((folder / "census.json").read_bytes())
    assert found.generations == {NEW: 60, OLD: 3}
    assert (found.neither, found.malformed, found.empty, found.rows, found.output_sha256) == (1, 1, 1, 66, None)
    rows = (folder / "left.csv").read_text()
    assert rows.count(f",{OLD},") == 3
    assert f"61,{OLD},60," in rows and f",{NEW}," not in rows
    assert "rows       66\nsspin.C.2  60\nsspin.C.1  3\n" in done.out
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def test_a_census_says_zero_too(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    (folder / "in.csv").write_bytes(table(numbers.new[:5]))
    done = count(daemon, folder / "in.csv", folder / "census.json", "--generations", f"{OLD},{NEW}")
    assert "sspin.C.2  5\nsspin.C.1  0\n" in done.out
    assert json.loads((folder / "census.json").read_bytes())["generations"] == {OLD: 0, NEW: 5}


REFUSED = {
    "another domain": (["--to", "sspin.B.1"], f"{OLD} → sspin.B.1: re-keying goes from one generation of a domain"),
    "a domain": (["--from", "sspin.C"], f"sspin.C → {NEW}: re-keying goes from one generation"),
    "the same": (["--to", OLD], f"{OLD} → {OLD}: re-keying goes from one generation"),
    "not there": (["--to", "sspin.C.9"], "sspin.C.9: the ledger has no such key generation"),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_is_no_rekeying(daemon: Daemon, numbers: Numbers, folder: Path, what: str) -> None:
    more, message = REFUSED[what]
    (folder / "in.csv").write_bytes(table(numbers.old[:5]))
    done = rekey(daemon, folder / "in.csv", folder / "out.csv", *more)
    assert (done.code, done.err.splitlines()[0][: len(message) + 7]) == (1, f"error: {message}")
    assert [path.name for path in folder.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("names", ["sspin.C", f"{OLD},sspin.B.1", f"{OLD},{OLD}", ""])
def test_what_is_no_census(daemon: Daemon, numbers: Numbers, folder: Path, names: str) -> None:
    (folder / "in.csv").write_bytes(table(numbers.old[:5]))
    done = count(daemon, folder / "in.csv", folder / "census.json", "--generations", names)
    assert done.code == 1
    assert "a census needs generations of one domain\nhint: name them, such as --generations" in done.err


def tampered(old: str, new: str, *, way: str) -> Callable[[str, bytes], bytes]:
    """An appliance that gives ``new`` for ``old`` in answers of one way."""
    return lambda line, answer: answer.replace(old.encode(), new.encode()) if way in line else answer


def test_an_appliance_that_answers_wrongly(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    """On the way to or back: the job stops, what it had checked stays, nothing of the segment is written."""
    (folder / "in.csv").write_bytes(table(numbers.old[:1_000]))
    for way, wrong in ((f"target={OLD}", numbers.old), (f"target={NEW}", numbers.new)):
        change = tampered(wrong[777], wrong[5], way=way)
        output = folder / f"out-{way[-1]}.csv"
        with Between(folder / f"s{way[-1]}", daemon.world.socket("rekey"), change) as between:
            terms = arguments("rekey", folder / "in.csv", output, between.path, REKEY, *FORWARD, "--segment", "100")
            done = bulk(*terms)
        assert done.code == 1
        assert done.err.startswith("error: row 778: the number did not come back as itself; the job stopped, and")
        assert "keyceremony inventory" in done.err and "resume" not in done.err
        assert not output.exists()
        partial = column((folder / f"{output.name}.job" / "output.partial").read_bytes())
        assert partial == list(numbers.new[: len(partial)]) and len(partial) == 700
        assert "700 converted" in bulk("status", str(output)).out


def test_a_key_that_is_restricted(daemon: Daemon) -> None:
    """The daemon says so before the job begins: re-keying with a round trip needs both keys active."""
    with Client(daemon.world.socket("rekey")) as client:
        said = client.domains()
    (domain,) = said["domains"]
    domain["generations"][0]["state"] = "decrypt-only"
    with pytest.raises(NotAllowed) as caught:
        rights.for_rekey(msgspec.convert(said, rights.Rights), OLD, NEW)
    assert caught.value.message == f"{OLD} is decrypt-only; re-keying with a round trip needs both generations active"
    assert "before the plan that restricts the old key" in str(caught.value.hint)
