"""One person's conversions, with proofs: all of them, nobody else's, whichever number they are asked by."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.audit import records as kept
from appliance.tlog import merkle
from tests.daemonkit import Daemon, Reply, codes, copy_world
from tests.watchkit import history, verified, watched_world
from tests.world import World

ME, OTHER, NOBODY = "00000000042", "00000000043", "00000000044"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return watched_world(tmp_path_factory.mktemp("history") / "w")


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copy_world(template, tmp_path / "w")


@pytest.fixture(scope="module")
def asked(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(copy_world(template, tmp_path_factory.mktemp("asked") / "w")) as daemon:
        yield daemon


def number(daemon: Daemon, code: str, target: str = "common") -> str:
    return daemon.numbers("resident", target, [code], role="numbering")[0]


def found(daemon: Daemon, reply: Reply) -> list[int]:
    """The records in an answer, each proof verified against the signed checkpoint."""
    assert reply.status == 200, reply
    said = reply.json
    signed = verified(daemon.world, said["checkpoint"].encode())
    assert (signed.size, signed.root) == (said["size"], base64.b64decode(said["root"]))
    for one in said["conversions"]:
        entry = base64.b64decode(one["entry"])
        proof = [base64.b64decode(step) for step in one["proof"]]
        merkle.verify_inclusion(merkle.leaf_hash(entry), one["record"] - 1, signed.size, proof, signed.root)
        whole = json.loads(entry)
        assert all(whole[name] == one[name] for name in one if name not in ("entry", "proof", "cosigned_proof"))
    return [one["record"] for one in said["conversions"]]


def test_every_conversion_of_a_person_and_nobody_elses(asked: Daemon) -> None:
    a, common = number(asked, ME, "sspin.A"), number(asked, ME)
    others = number(asked, OTHER, "sspin.A")
    asked.numbers("sspin.A", "sspin.B", [others])
    asked.numbers("sspin.A", "sspin.B", [others, a])
    mine = [r["record"] for r in asked.records() if r["kind"] == "conversion"]
    expected = [mine[4], mine[1], mine[0]]
    assert found(asked, history(asked, "common", common)) == expected
    assert found(asked, history(asked, "sspin.A", a)) == expected
    assert found(asked, history(asked, "sspin.A.1", a)) == expected
    assert found(asked, history(asked, "sspin.A", others)) == [mine[4], mine[3], mine[2]]


def test_a_person_that_nothing_is_known_of_has_an_empty_history(asked: Daemon) -> None:
    a = number(asked, NOBODY, "sspin.A")
    with_one = found(asked, history(asked, "sspin.A", a))
    assert len(with_one) == 1
    unused = asked.numbers("sspin.A", "sspin.B", [a])[0]
    assert unused
    assert len(found(asked, history(asked, "sspin.A", a))) == 2


def test_pages_newest_first(asked: Daemon) -> None:
    a = number(asked, "00000000050", "sspin.A")
    for _ in range(5):
        asked.numbers("sspin.A", "sspin.B", [a])
    everything = found(asked, history(asked, "sspin.A", a))
    assert len(everything) == 6
    pages: list[int] = []
    before = None
    while True:
        reply = history(asked, "sspin.A", a, limit=2, before=before)
        pages += found(asked, reply)
        before = reply.json["before"]
        if before is None:
            break
    assert pages == everything == sorted(everything, reverse=True)


def test_streams_leave_tags_too(asked: Daemon) -> None:
    numbers = asked.numbers("resident", "sspin.A", codes(50, 1_000), role="numbering")
    body = "\n".join(["?", *numbers, "ABC98765XYZ"]) + "\n"
    assert asked.stream("sspin.A", "sspin.B", body.encode()).status == 200
    stream = next(r for r in reversed(asked.records()) if r["kind"] == "conversion")
    assert (stream["count"], stream["converted"]) == (52, 50)
    for one in (numbers[0], numbers[25], numbers[49]):
        assert stream["record"] in found(asked, history(asked, "sspin.A", one))


def test_a_lookup_is_recorded_and_says_nothing_of_whom(asked: Daemon) -> None:
    a = number(asked, "00000000060", "sspin.A")
    history(asked, "sspin.A", a, reference="portal-session-1")
    last = asked.records()[-1]
    assert last["kind"] == "history_read"
    assert (last["role"], last["source"], last["reference"], last["found"]) == (
        "portal",
        "sspin.A.1",
        "portal-session-1",
        1,
    )


def test_records_do_not_join_by_their_digests(asked: Daemon) -> None:
    a = number(asked, "00000000061", "sspin.A")
    for _ in range(3):
        asked.numbers("sspin.A", "sspin.B", [a])
    digests = [r["tags"] for r in asked.records() if r["kind"] == "conversion"]
    assert len(set(digests)) == len(digests)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


@pytest.mark.parametrize(
    ("source", "number_", "more", "code"),
    [
        ("common", "?", {}, "malformed_number"),
        ("sspin.A", "ABC98765XYZ", {}, "unknown_number"),
        ("sspin.B", "ABC98765XYZ", {}, "pair_denied"),
        ("resident", "00000000042", {}, "pair_denied"),
        ("nothing", "00000000042", {}, "pair_denied"),
        ("tag", "00000000042", {}, "pair_denied"),
        ("sspin.A.9", "ABC98765XYZ", {}, "unknown_generation"),
        ("sspin.A", "ABC98765XYZ", {"limit": 0}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"limit": 1_001}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"before": 0}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"extra": 1}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"reference": "for ABC98765XYZ"}, "malformed_request"),
    ],
)
def test_refusals_are_recorded(asked: Daemon, source: str, number_: str, more: dict[str, object], code: str) -> None:
    assert history(asked, source, number_, **more).code == code
    last = asked.records()[-1]
    assert (last["kind"], last["role"], last["code"]) == ("refusal", "portal", code)


def test_others_have_no_such_path(asked: Daemon) -> None:
    for role in ("hub", "numbering", "oversight", "court"):
        assert history(asked, "sspin.A", "ABC98765XYZ", role=role).code == "not_found"
    assert asked.ask("portal", "GET", "/v1/history").code == "method_not_allowed"


def test_a_lost_index_is_made_again_from_the_log(world: World) -> None:
    with Daemon(world) as daemon:
        a = number(daemon, ME, "sspin.A")
        for _ in range(3):
            daemon.numbers("sspin.A", "sspin.B", [a])
        before = found(daemon, history(daemon, "sspin.A", a))
        assert daemon.stop() == 0
    shutil.rmtree(world.audit_directory / "tags")
    (world.audit_directory / "tally.json").unlink()
    with Daemon(world) as daemon:
        assert found(daemon, history(daemon, "sspin.A", a)) == before
        assert daemon.stop() == 0
    with Daemon(world) as daemon:
        daemon.numbers("sspin.A", "sspin.B", [a])
        assert found(daemon, history(daemon, "sspin.A", a))[1:] == before


def test_after_a_change_of_the_tag_key_the_old_conversions_are_still_found(world: World) -> None:
    with Daemon(world) as daemon:
        a = number(daemon, ME, "sspin.A")
        world.ceremony(["generate tag", "activate tag.2", "restrict tag.1"], "Another tag key")
        daemon.reload(3)
        daemon.numbers("sspin.A", "sspin.B", [a])
        assert len(found(daemon, history(daemon, "sspin.A", a))) == 2
        world.ceremony(["retire tag.1"], "The old tag key goes")
        daemon.reload(4)
        assert len(found(daemon, history(daemon, "sspin.A", a))) == 1


def test_the_log_on_the_disk_holds_no_number(world: World) -> None:
    with Daemon(world) as daemon:
        people = codes(20, 500)
        a = daemon.numbers("resident", "sspin.A", people, role="numbering")
        b = daemon.numbers("sspin.A", "sspin.B", a)
        history(daemon, "sspin.A", a[0])
        assert daemon.stop() == 0
        everything = b"".join(path.read_bytes() for path in world.audit_directory.rglob("*") if path.is_file())
        everything += daemon.log.encode()
        for one in (*people, *a, *b):
            assert one.encode() not in everything
        assert kept.decode(json.dumps(daemon.records()[0], sort_keys=True, separators=(",", ":")).encode())
