"""An honest copy is found clean, whatever its size; what is missing, foreign or demanded in vain is named."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from ledgerkit import Book, first_keys, log_public_key, make_found, make_refusal, service_keys
from logkit import Log, founded, policy, put, rehearsed, sign, thousand, witness_keys
from runkit import Run
from scalekit import make

from appliance.ledger.policy import LogRules
from appliance.oversight.verify import part as parts
from appliance.oversight.verify.whole import Demands, Verified, verify
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.merkle import EMPTY_ROOT


def found(directory: Path, log: Log, demands: Demands | None = None) -> list[str]:
    """What verifying finds, as a person reads it."""
    return [str(one) for one in verified(directory, log, demands).findings.kept]


def verified(directory: Path, log: Log, demands: Demands | None = None) -> Verified:
    return verify(directory, log.book.anchor, demands or Demands())


@pytest.mark.parametrize("size", [5, 255, 256, 257, 511, 512, 1000])
def test_an_honest_copy_is_clean(tmp_path: Path, log: Log, size: int) -> None:
    result = verified(log.write(tmp_path / "copy", size, cosigned=min(size, 300)), log)
    assert [str(one) for one in result.findings.kept] == []
    assert (result.clean, result.records) == (True, size)
    assert result.checkpoint is not None
    assert str(result.checkpoint.key) == "log.1"
    assert result.cosigned is not None
    assert [one.name for one in result.cosigned.cosignatures] == ["oversight.example/witness-1"] * 2


def test_an_empty_log_is_clean(tmp_path: Path, log: Log) -> None:
    log.write(tmp_path / "copy", 0)
    put(tmp_path / "copy" / "checkpoint", sign(Checkpoint(log.origin, 0, EMPTY_ROOT)))
    assert found(tmp_path / "copy", log) == []


def test_a_large_copy_is_verified_by_several_processes(tmp_path: Path) -> None:
    """70,000 records: three levels of tiles, nine stretches; and one process finds the same as two."""
    log = make(tmp_path / "copy", 70_000)
    alone, together = (verify(tmp_path / "copy", log.book.anchor, Demands(), jobs=jobs) for jobs in (1, 2))
    assert alone.clean
    assert together.clean
    assert alone.records == together.records == 70_000
    assert alone.told == together.told
    assert alone.told.numbers == 3 * alone.told.conversions


def test_progress_is_told(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.oversight.verify.whole.BUNDLES", 2)
    told: list[tuple[int, int]] = []
    log.write(tmp_path / "copy")
    verify(tmp_path / "copy", log.book.anchor, Demands(), show=lambda done, whole: told.append((done, whole)))
    assert told == [(512, 1000), (1000, 1000)]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tile/entries/001", "tile/entries/001: is missing (records 257 to 512); no record says that they were pruned"),
        ("tile/0/002", "tile/0/002: is missing"),
        ("tile/1/000.p/3", "tile/1/000.p/3: is missing"),
        ("ledger/000002.outcome.cms", "ledger: 000002.outcome.cms: is missing"),
        ("checkpoint", "checkpoint: is missing"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, log: Log, path: str, said: str) -> None:
    copy = log.write(tmp_path / "copy")
    (copy / path).unlink()
    assert said in found(copy, log)


def test_the_whole_log_deleted(tmp_path: Path, log: Log) -> None:
    copy = log.write(tmp_path / "copy")
    shutil.rmtree(copy / "tile")
    told = found(copy, log)
    assert "tile/entries/000: is missing (records 1 to 256); no record says that they were pruned" in told
    assert "tile/0/000: is missing" in told


@pytest.mark.parametrize("path", ["notes.txt", "tile/0/004", "tile/2/000.p/1", "tile/entries/003.p/7", "tile/0/x"])
def test_a_file_that_does_not_belong_is_named(tmp_path: Path, log: Log, path: str) -> None:
    copy = log.write(tmp_path / "copy")
    put(copy / path, b"x" * 32)
    assert [line for line in found(copy, log) if line.startswith(f"{path}: does not belong")]


def test_a_ledger_with_annexes_is_verified_with_them(tmp_path: Path, log: Log) -> None:
    refusal = make_refusal(3)
    log.book.files["000003.refusal.1.cms"] = refusal
    assert found(log.write(tmp_path / "copy"), log) == []


def test_a_link_in_a_copy_is_not_followed(tmp_path: Path, log: Log) -> None:
    copy = log.write(tmp_path / "copy")
    (copy / "tile/0/000").rename(tmp_path / "elsewhere")
    (copy / "tile/0/000").symlink_to(tmp_path / "elsewhere")
    assert any(line.startswith("tile/0/000: ") for line in found(copy, log))


def test_the_anchor_decides_whose_ledger_it_is(tmp_path: Path, log: Log) -> None:
    copy = log.write(tmp_path / "copy")
    told = [str(one) for one in verify(copy, "ab" * 32, Demands()).findings.kept]
    assert f"ledger: 000001.authorization.cms: genesis is {log.book.anchor}; the trust anchor is {'ab' * 32}" in told


def test_a_demanded_witness_must_have_signed(tmp_path: Path, log: Log) -> None:
    other = witness_keys("other.example/w").vkeys
    copy = log.write(tmp_path / "copy", cosigned=1000)
    assert found(copy, log, Demands(witnesses=witness_keys().vkeys)) == []
    told = found(copy, log, Demands(witnesses=other))
    assert told == [f"cosigned: no cosignature of the witness key other.example/w+{key.key_id.hex()}" for key in other]


def test_a_checkpoint_seen_elsewhere_must_have_been_the_logs(tmp_path: Path, log: Log) -> None:
    copy = log.write(tmp_path / "copy")
    other = Checkpoint(log.origin, 700, b"\7" * 32)
    ahead = Checkpoint(log.origin, 1001, b"\7" * 32)
    stranger = Checkpoint("kagimori/log/0000000000000000/main", 700, b"\7" * 32)
    told = found(copy, log, Demands(seen={"mine": log.checkpoint(700), "a": other, "b": ahead, "c": stranger}))
    assert told == [
        f"a: its root is {other.root.hex()}; the copy's tiles give {log.root(700).hex()}",
        "b: goes further than the copy, which has 1000 records: records are missing at the end",
        f"c: is of the log {stranger.origin}, not of the copy's",
    ]


def test_an_unsigned_size_is_not_believed_for_ever(tmp_path: Path, log: Log) -> None:
    """Whoever can write a checkpoint cannot keep the verifier busy until the end of time."""
    copy = log.write(tmp_path / "copy")
    put(copy / "checkpoint", sign(Checkpoint(log.origin, 2**62, log.root()), "log.2"))
    said = f"checkpoint: claims {2**62} records, and only 4 bundles are there; nothing more is looked at"
    assert said in found(copy, log)


def test_findings_are_bounded(tmp_path: Path, log: Log) -> None:
    """A ruined copy does not fill the memory; what is left out is counted."""
    copy = log.write(tmp_path / "copy")
    put(copy / "tile/0/000", bytes(8192))
    result = verified(copy, log)
    assert parts.MOST_IN_PART == 50
    named = [one for one in result.findings.kept if one.place.startswith("tile/entries/000 entry")]
    assert len(named) == 50
    assert result.findings.omitted == 206


def test_the_command_says_what_it_verified(tmp_path: Path, log: Log, run: Run) -> None:
    copy = log.write(tmp_path / "copy", cosigned=900)
    ran = run("verify", copy, "--anchor", log.book.anchor, "--jobs", 1)
    assert ran.code == 0
    assert "nothing found: the copy is whole" in ran.out
    assert f"checkpoint    size 1000, root {log.root().hex()}, signed by log.1" in ran.out
    assert "oversight.example/witness-1 (ML-DSA-44) at 2026-04-02T03:20:00Z" in ran.out
    assert f"log key       {log.origin}+" in ran.out
    assert ran.err == ""


def test_the_command_lists_findings_and_ends_with_1(tmp_path: Path, log: Log, run: Run) -> None:
    copy = log.write(tmp_path / "copy")
    (copy / "tile/entries/001").unlink()
    ran = run("verify", copy, "--anchor", log.book.anchor, "--jobs", 1)
    assert ran.code == 1
    assert "FINDINGS      1\n  tile/entries/001: is missing (records 257 to 512)" in ran.out


def test_the_command_as_json(tmp_path: Path, log: Log, run: Run) -> None:
    vkeys = tmp_path / "vkeys"
    vkeys.write_text("".join(f"{key}\n" for key in witness_keys().vkeys))
    seen = tmp_path / "seen.note"
    seen.write_bytes(log.note(10))
    copy = log.write(tmp_path / "copy", cosigned=900)
    ran = run(
        *("verify", copy, "--anchor", log.book.anchor, "--jobs", 1, "--json"),
        *("--witness", vkeys, "--witness", str(witness_keys().vkeys[0]), "--witness", str(witness_keys().vkeys[1])),
        *("--seen", seen),
    )
    said = json.loads(ran.out)
    assert (ran.code, said["clean"], said["records"], said["findings"]) == (0, True, 1000, [])
    assert said["checkpoint"]["signed_by"] == "log.1"
    assert [one["name"] for one in said["cosigned"]["cosignatures"]] == ["oversight.example/witness-1"] * 2
    assert said["ledger"]["rehearsal"] is False


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--anchor", "AB"), 2, "not 64 hexadecimal digits in lower case; copy it whole"),
        (("--witness", "no key"), 1, "error: a verifier key is <name>+<key ID>+<base64 of type and key>"),
        (("--seen", "/nowhere"), 1, "error: /nowhere: is missing"),
        (("--order", __file__), 1, "no disclosure order"),
    ],
)
def test_the_command_refuses_what_it_cannot_use(
    tmp_path: Path, log: Log, run: Run, words: tuple[str, ...], code: int, said: str
) -> None:
    copy = log.write(tmp_path / "copy")
    ran = run("verify", copy, "--anchor", log.book.anchor, *words)
    assert ran.code == code
    assert said in ran.err


def test_no_folder(tmp_path: Path, log: Log, run: Run) -> None:
    ran = run("verify", tmp_path / "none", "--anchor", log.book.anchor)
    assert ran.code == 3
    assert "none: no such folder" in ran.err


def test_openssl_verifies_the_checkpoint(tmp_path: Path, log: Log) -> None:
    """An outside judge: the log's signature is plain Ed25519 (RFC 8032) over the note's text."""
    note = notes.parse(log.note())
    (tmp_path / "text").write_bytes(note.text.encode())
    (tmp_path / "signature").write_bytes(note.signatures[0].data)
    (tmp_path / "key.der").write_bytes(log_public_key("log.1"))
    asked = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", "key.der"]
    judged = subprocess.run(
        [*asked, "-in", "text", "-sigfile", "signature"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "Signature Verified Successfully" in judged.stdout


def test_a_rehearsal_is_flagged(tmp_path: Path, run: Run) -> None:
    log = Log(rehearsed())
    log.start()
    copy = log.grow(20).write(tmp_path / "copy")
    ran = run("verify", copy, "--anchor", log.book.anchor, "--jobs", 1)
    assert ran.code == 0
    assert "REHEARSAL, not a real ledger" in ran.out


def test_kits_are_honest() -> None:
    """The kit's own log is what it says."""
    assert thousand().size == 1000
    assert founded().state.current["log"].number == 1


@pytest.mark.parametrize(
    ("cosigned", "warn", "said"),
    [
        (None, 60, "remark        never co-signed, and the policy demands that it is"),
        (
            1_775_087_200,
            60,
            "remark        the newest cosignature was 2599 s old at the last record; the policy warns after",
        ),
        (1_775_087_200, 3600, None),
        (None, None, None),
    ],
)
def test_stale_cosignatures_are_remarked(
    tmp_path: Path, run: Run, cosigned: int | None, warn: int | None, said: str | None
) -> None:
    """Not a fault of the copy, but worth a question; how old each cosignature is stands beside it in any case."""
    rules = LogRules(witnesses=tuple(map(str, witness_keys().vkeys)), warn_seconds=warn)
    book = Book()
    book.add([make_found(policy=policy(log=rules))])
    book.add([*first_keys(), *service_keys()], ("ito", "sato", "ueda"))
    log = Log(book)
    log.start()
    log.clock += timedelta(seconds=1794)
    log.convert()
    copy = log.write(tmp_path / "copy")
    if cosigned is not None:
        put(copy / "cosigned", log.cosigned(3, time=cosigned))
    ran = run("verify", copy, "--anchor", log.book.anchor, "--jobs", 1)
    assert ran.code == 0
    remarks = [line for line in ran.out.splitlines() if line.startswith("remark")]
    assert len(remarks) == (said is not None)
    assert said is None or remarks[0].startswith(said)
    assert cosigned is None or "(Ed25519) at 2026-04-01T23:46:40Z, 2599 s before the last record" in ran.out
