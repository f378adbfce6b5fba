"""The log as the oversight body reads it: signed, whole, consistent, and co-signed; nobody else reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.ledger import servicekeys
from appliance.ledger.policy import LogRules
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import merkle, note, tiles
from appliance.tlog.tiles import TileTree
from tests import judgekit
from tests.daemonkit import Daemon, codes, copy_world, kinds
from tests.watchkit import (
    WITNESS,
    Witness,
    entries,
    log_file,
    root_of,
    signed_checkpoint,
    verified,
    watched_world,
)
from tests.world import World

WITNESSED = Witness()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    rules = LogRules(witnesses=WITNESSED.vkeys)
    return watched_world(tmp_path_factory.mktemp("log") / "w", rules)


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copy_world(template, tmp_path / "w")


@pytest.fixture(scope="module")
def watched(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(copy_world(template, tmp_path_factory.mktemp("watched") / "w")) as daemon:
        daemon.numbers("resident", "sspin.A", codes(3), role="numbering")
        yield daemon


def test_every_record_stands_under_the_signed_checkpoint(watched: Daemon) -> None:
    signed, _ = signed_checkpoint(watched, len(watched.records()))
    leaves = entries(watched, signed.size)
    assert root_of(leaves) == signed.root
    assert [json.loads(leaf)["record"] for leaf in leaves] == list(range(1, signed.size + 1))
    assert [json.loads(leaf)["kind"] for leaf in leaves[:5]] == [
        "start",
        "ceremony",
        "ceremony",
        "ledger_loaded",
        "conversion",
    ]


def test_tiles_give_proofs_for_every_record(watched: Daemon) -> None:
    signed, _ = signed_checkpoint(watched, 5)
    tree = TileTree(lambda tile: log_file(watched, tile.path), signed.size)
    leaves = entries(watched, signed.size)
    for index, leaf in enumerate(leaves):
        proof = merkle.inclusion_proof(index, signed.size, tree.subtree)
        merkle.verify_inclusion(merkle.leaf_hash(leaf), index, signed.size, proof, signed.root)


def test_ceremonies_are_records_and_the_ledger_is_served(watched: Daemon) -> None:
    first, second = [json.loads(leaf) for leaf in entries(watched, 5)[1:3]]
    state = watched.world.state()
    assert (first["sequence"], first["actions"]) == (1, ["found kagimori-test"])
    assert (second["sequence"], second["head"], second["title"]) == (2, state.head, "First keys")
    assert second["actions"][0] == "generate common.1"
    names = json.loads(log_file(watched, "ledger"))["files"]
    assert names == [f"00000{number}.{kind}.cms" for number in (1, 2) for kind in ("authorization", "outcome")]
    for name in names:
        assert log_file(watched, f"ledger/{name}") == (watched.world.ledger / name).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "ledger/../kagimori.toml",
        "ledger/000003.outcome.cms",
        "ledger/pending",
        "tile/0/999",
        "tile/entries/000.p/256",
        "tile/0/../../checkpoint",
        "tile/0/0",
        "tile/x/000",
        "nothing",
        "",
    ],
)
def test_there_is_nothing_at_other_paths(watched: Daemon, path: str) -> None:
    assert watched.ask("oversight", "GET", f"/v1/log/{path}").code == "not_found"


def test_only_a_role_with_the_log_reads_it(watched: Daemon) -> None:
    for role in ("hub", "numbering", "portal", "court"):
        for method, path in (("GET", "checkpoint"), ("GET", "tile/0/000.p/1"), ("POST", "cosignatures")):
            assert watched.ask(role, method, f"/v1/log/{path}", b"").code == "not_found", (role, path)
    assert watched.ask("oversight", "POST", "/v1/log/checkpoint", b"").code == "method_not_allowed"
    assert watched.ask("oversight", "GET", "/v1/log/cosignatures").code == "method_not_allowed"


def test_the_log_only_grows(watched: Daemon) -> None:
    before, _ = signed_checkpoint(watched)
    watched.numbers("resident", "sspin.A", codes(1), role="numbering")
    after, _ = signed_checkpoint(watched, before.size + 1)
    tree = TileTree(lambda tile: log_file(watched, tile.path), after.size)
    proof = merkle.consistency_proof(before.size, after.size, tree.subtree)
    merkle.verify_consistency(before.size, before.root, after.size, after.root, proof)


def test_cosignatures_are_taken_in_stored_and_served(watched: Daemon) -> None:
    signed, body = signed_checkpoint(watched)
    given = WITNESSED.cosigned(body)
    reply = watched.ask("oversight", "POST", "/v1/log/cosignatures", given)
    assert reply.json == {"size": signed.size, "accepted": [WITNESS]}
    stored = note.parse(log_file(watched, "cosigned"))
    assert stored == note.parse(given)
    said = watched.ask("hub", "GET", "/v1/status").json["audit"]
    assert said["cosigned"] == signed.size
    assert 0 <= said["cosignature_age"] <= 5
    assert (watched.world.audit_directory / "cosigned").read_bytes() == given


def refused(daemon: Daemon, body: bytes, *said: str) -> None:
    reply = daemon.ask("oversight", "POST", "/v1/log/cosignatures", body)
    assert reply.code == "malformed_request"
    for words in said:
        assert words in reply.json["detail"]


def test_what_is_no_cosignature_of_a_witness_is_refused(watched: Daemon) -> None:
    record = watched.convert("resident", "sspin.A", codes(1), role="numbering").json["record"]
    _, body = signed_checkpoint(watched, record)
    refused(watched, b"", "cosignatures: ")
    refused(watched, body, "none is by a witness that the ledger's policy names")
    refused(watched, Witness().cosigned(body), "none is by a witness")
    refused(watched, WITNESSED.cosigned(body, int(time.time()) + 3_600), "dated in the future")
    broken = bytearray(WITNESSED.cosigned(body))
    broken[-4] ^= 1
    refused(watched, bytes(broken), "cosignatures: ")
    refused(watched, b"x" * 70_000, "larger than")


def test_a_checkpoint_that_this_log_never_had_is_refused(watched: Daemon) -> None:
    signed, _ = signed_checkpoint(watched, 5)
    for size, root, origin in (
        (signed.size, b"\1" * 32, signed.origin),
        (signed.size + 1_000, signed.root, signed.origin),
        (signed.size, signed.root, "another/log"),
    ):
        made = checkpoints.Checkpoint(origin, size, root)
        body = note.render(note.Note(made.text, (note.Signature("nobody", b"1234", b"x"),)))
        refused(watched, WITNESSED.cosigned(body), "another log" if origin != signed.origin else "never had")


def test_the_last_checkpoint_covers_the_stop(world: World) -> None:
    with Daemon(world) as daemon:
        daemon.numbers("resident", "sspin.A", codes(1), role="numbering")
        assert daemon.stop() == 0
        assert kinds(daemon)[-1] == "stop"
        signed = verified(world, (world.audit_directory / "checkpoint").read_bytes())
        assert signed.size == len(daemon.records())
    with Daemon(world) as daemon:
        later, _ = signed_checkpoint(daemon, signed.size + 1)
        tree = TileTree(lambda tile: log_file(daemon, tile.path), later.size)
        proof = merkle.consistency_proof(signed.size, later.size, tree.subtree)
        merkle.verify_consistency(signed.size, signed.root, later.size, later.root, proof)
        assert kinds(daemon)[signed.size :] == ["start", "ledger_loaded"]


def test_a_new_ceremony_is_recorded_once(world: World) -> None:
    with Daemon(world) as daemon:
        world.ceremony(["generate sspin.C", "activate sspin.C.1"], "Sector C")
        daemon.reload(3)
        assert daemon.records()[-2]["title"] == "Sector C"
        assert daemon.stop() == 0
    with Daemon(world) as daemon:
        assert kinds(daemon).count("ceremony") == 3


def test_the_log_key_is_changed_by_a_ceremony(world: World) -> None:
    with Daemon(world) as daemon:
        before, body = signed_checkpoint(daemon, 4)
        world.ceremony(["generate log", "activate log.2", "restrict log.1"], "Another log key")
        daemon.reload(3)
        after, later = signed_checkpoint(daemon, before.size + 2)
        assert note.parse(body).signatures[0].key_id != note.parse(later).signatures[0].key_id
        assert daemon.stop() == 0
        assert verified(world, (world.audit_directory / "checkpoint").read_bytes()).size > after.size
    with Daemon(world) as daemon:
        assert daemon.numbers("resident", "sspin.A", codes(1), role="numbering")


def test_software_that_is_not_ours_accepts_the_log(watched: Daemon, tmp_path: Path) -> None:
    signed, body = signed_checkpoint(watched)
    copy_of(watched, signed.size, WITNESSED.cosigned(body), tmp_path)
    (raw,) = servicekeys.log_keys(watched.world.state()).values()
    vkey = str(checkpoints.key(signed.origin, raw))
    judges = judgekit.install()
    accepted = {"aics": "ok", "scales": "ok"}
    assert judges.copy(tmp_path, signed.origin, vkey, list(WITNESSED.vkeys)) == accepted
    watched.numbers("resident", "sspin.A", codes(1), role="numbering")
    later, body_then = signed_checkpoint(watched, signed.size + 1)
    copy_of(watched, later.size, WITNESSED.cosigned(body_then), tmp_path)
    assert judges.grown(tmp_path, body) == accepted


def copy_of(daemon: Daemon, size: int, note_: bytes, folder: Path) -> None:
    """A copy of the log as the socket serves it."""
    for tile in (*tiles.tiles_of(size), *tiles.bundles_of(size)):
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(log_file(daemon, tile.path))
    (folder / "checkpoint").write_bytes(note_)
