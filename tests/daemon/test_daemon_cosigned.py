"""Histories with proofs under the co-signed tree: what a witness has seen, and nothing where none has."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.hubkit import HistoryUnproven, verify_cosigned, verify_history
from appliance.hubkit import history as histories
from appliance.hubkit.history import History
from appliance.ledger import servicekeys
from appliance.ledger.policy import LogRules
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import note as notes
from appliance.tlog.note import Note
from tests.daemon.test_daemon_openapi import check
from tests.daemonkit import Daemon, copy_world
from tests.watchkit import WITNESS, Witness, history, signed_checkpoint, watched_world
from tests.world import World

WITNESSED = Witness()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return watched_world(tmp_path_factory.mktemp("cosigned") / "w", LogRules(witnesses=WITNESSED.vkeys))


@pytest.fixture(scope="module")
def daemon(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(copy_world(template, tmp_path_factory.mktemp("daemon") / "w")) as running:
        yield running


def convert(daemon: Daemon, person: str = "00000000042") -> str:
    """A record about the person; their number."""
    return daemon.numbers("resident", "sspin.A", [person], role="numbering")[0]


def cosign(daemon: Daemon, at: int | None = None) -> int:
    """Have a checkpoint over all there is co-signed; its size."""
    checkpoint, body = signed_checkpoint(daemon, daemon.records()[-1]["record"])
    note = WITNESSED.cosigned(body, at)
    assert daemon.ask("oversight", "POST", "/v1/log/cosignatures", note).status == 200
    return checkpoint.size


def look(daemon: Daemon, number: str) -> tuple[dict[str, Any], History]:
    reply = history(daemon, "sspin.A", number)
    assert reply.status == 200
    return reply.json, histories.answer(reply.body, "sspin.A")


def log_keys(daemon: Daemon) -> list[str]:
    origin = f"kagimori/log/{daemon.world.anchor[:16]}/main"
    return [str(checkpoints.key(origin, raw)) for raw in servicekeys.log_keys(daemon.world.state()).values()]


def test_nothing_is_claimed_before_a_witness_has_signed_and_nothing_forgotten_afterwards(
    template: World, tmp_path: Path
) -> None:
    world = copy_world(template, tmp_path / "w")
    with Daemon(world) as daemon:
        a = convert(daemon)
        said, whole = look(daemon, a)
        assert (said["cosigned"], [one["cosigned_proof"] for one in said["conversions"]]) == (None, [None])
        check("History", json.dumps(said).encode())
        assert verify_history(whole, log_keys(daemon)).size >= 1
        with pytest.raises(HistoryUnproven, match="no witness has co-signed this log yet"):
            verify_cosigned(whole, log_keys(daemon), WITNESSED.vkeys)
        size = cosign(daemon)
        assert daemon.stop() == 0
    with Daemon(world) as daemon:
        said, whole = look(daemon, a)
        assert said["cosigned"]["size"] == size
        assert verify_cosigned(whole, log_keys(daemon), WITNESSED.vkeys).checkpoint.size == size
        assert daemon.stop() == 0


def test_what_the_witness_saw_is_proven_and_what_is_newer_is_not_claimed(daemon: Daemon) -> None:
    a = convert(daemon)
    convert(daemon)
    at = int(time.time()) - 5
    size = cosign(daemon, at)
    convert(daemon)
    said, whole = look(daemon, a)
    check("History", json.dumps(said).encode())
    assert (said["cosigned"]["size"], said["size"] > size) == (size, True)
    proven = verify_cosigned(whole, log_keys(daemon), WITNESSED.vkeys)
    assert (proven.checkpoint.size, proven.by, proven.at) == (size, (WITNESS,), (at,))
    assert base64.b64decode(said["cosigned"]["root"]) == proven.checkpoint.root
    assert proven.records == {one.record for one in whole.conversions if one.record <= size}
    assert [one.cosigned_proof is None for one in whole.conversions] == [True, False, False]


def test_one_key_of_the_witness_is_enough_and_a_strangers_is_not(daemon: Daemon) -> None:
    a = convert(daemon, "00000000043")
    cosign(daemon)
    _, whole = look(daemon, a)
    for key in WITNESSED.vkeys:
        assert verify_cosigned(whole, log_keys(daemon), [key]).by == (WITNESS,)
    with pytest.raises(HistoryUnproven, match="none of the witnesses that are known here has co-signed this log"):
        verify_cosigned(whole, log_keys(daemon), Witness().vkeys)


def test_while_the_newest_tree_is_the_cosigned_one_there_is_one_proof(daemon: Daemon) -> None:
    """A look that needs no newer checkpoint than the co-signed one gets that."""
    a = convert(daemon, "00000000044")
    look(daemon, a)
    for _ in range(20):
        cosign(daemon)
        said, whole = look(daemon, a)
        if said["size"] == said["cosigned"]["size"]:  # unless another was signed in between
            break
    else:
        raise AssertionError("the newest checkpoint never was the co-signed one")
    assert said["root"] == said["cosigned"]["root"]
    (one,) = said["conversions"]
    assert one["proof"] == one["cosigned_proof"]
    assert verify_cosigned(whole, log_keys(daemon), WITNESSED.vkeys).records == {one["record"]}


def test_cosignatures_without_the_logs_own_signature_are_not_taken_in(daemon: Daemon) -> None:
    """They would be served as the newest checkpoint, which nobody could hold against the log."""
    a = convert(daemon, "00000000045")
    size = cosign(daemon)
    convert(daemon, "00000000045")
    _, body = signed_checkpoint(daemon, daemon.records()[-1]["record"])
    signed = notes.parse(WITNESSED.cosigned(body))
    bare = notes.render(Note(signed.text, signed.signatures[1:]))
    reply = daemon.ask("oversight", "POST", "/v1/log/cosignatures", bare)
    assert (reply.code, reply.json["detail"]) == (
        "malformed_request",
        "cosignatures: the checkpoint lacks this log's own signature.",
    )
    assert look(daemon, a)[0]["cosigned"]["size"] == size
    assert signed_checkpoint(daemon)[0].size > size
