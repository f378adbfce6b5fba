"""A real engine on a real token: checkpoints signed, people looked up, disclosure under an order, across a rotation."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance import configuration
from appliance.engine import logmark
from appliance.engine.frames import Answer
from appliance.engine.link import Link
from appliance.engine.singles import Status, Tagged
from appliance.ledger import cms, servicekeys
from appliance.ledger import order as orders
from appliance.ledger.order import Order
from appliance.ledger.policy import RoleRule
from appliance.ledger.text import render_instant
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog.checkpoint import Checkpoint
from keyceremony.plans import setup_file
from tests.daemonkit import codes, copy_world
from tests.enginekit import convert, lines, look_up, sign, start, with_engine
from tests.world import World, build_world, default_policy

INQUIRY = RoleRule(
    pairs=(("sspin.A", "resident"),),
    purposes=("court-order",),
    values_per_request=10,
    values_per_stream=0,
    values_per_minute=10,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    domains = setup_file.default_specs()
    policy = default_policy(domains)
    policy = msgspec.structs.replace(policy, roles={**policy.roles, "inquiry": INQUIRY})
    folder = tmp_path_factory.mktemp("log") / "w"
    return build_world(folder, domains=domains, policy=policy, keys=("common", "spin", "sspin.A", "sspin.B"))


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copy_world(template, tmp_path / "w")


def checkpoint(world: World, size: int, name: str = "", origin: str | None = None) -> Checkpoint:
    root = hashlib.sha256(f"{size}{name}".encode()).digest()
    return Checkpoint(origin or configuration.load(world.config).origin, size, root)


def require_signed(world: World, generation: int, text: str, signature: bytes | str) -> None:
    """By the ledger's public key, with nothing of ours: a signed note signs its text (C2SP signed-note)."""
    assert isinstance(signature, bytes), signature
    key = next(key for key in servicekeys.log_keys(world.state()).items() if key[0].number == generation)[1]
    Ed25519PublicKey.from_public_bytes(key).verify(signature, text.encode())


def test_it_signs_a_log_that_grows_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def grow(engine: Link) -> None:
        for size in (1, 5, 5, 70_000):
            text = checkpoint(world, size).text
            require_signed(world, 1, text, await sign(engine, text))
        other_log = checkpoint(world, 80_000, origin=checkpoint(world, 1).origin + "-2")
        for refused in (checkpoint(world, 5), checkpoint(world, 70_000, "other"), other_log):
            assert await sign(engine, refused.text) == "checkpoint_refused"
        assert await sign(engine, "no checkpoint\n") == "checkpoint_refused"
        assert await lines(engine, "sspin.A", "sspin.B", ["?"]) == ["!malformed_number"], "it serves on"
        assert engine.answered == 1, "lines only"

    async def again(engine: Link) -> None:
        for refused in (checkpoint(world, 69_999), checkpoint(world, 70_000, "other")):
            assert await sign(engine, refused.text) == "checkpoint_refused"
        text = checkpoint(world, 70_001).text
        require_signed(world, 1, text, await sign(engine, text))

    with_engine(world, grow, monkeypatch)
    mark = logmark.read(world.state_directory)
    assert mark is not None
    assert (mark.origin, mark.size) == (f"kagimori/log/{world.anchor[:16]}/main", 70_000)
    with_engine(world, again, monkeypatch)


def test_two_engines_never_sign_two_histories(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        other = await start(world)
        try:
            ours, theirs = checkpoint(world, 9, "ours"), checkpoint(world, 9, "theirs")
            both = await asyncio.gather(sign(engine, ours.text), sign(other, theirs.text))
            assert sum(one == "checkpoint_refused" for one in both) == 1
            smaller = checkpoint(world, 8)
            assert [await sign(one, smaller.text) for one in (engine, other)] == ["checkpoint_refused"] * 2
        finally:
            other.kill("the test is over")
            await other.wait_end()

    with_engine(world, work, monkeypatch)


def test_a_person_is_found_by_any_number_of_theirs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        people = codes(40)
        linked = await convert(engine, "resident", "common", people)
        assert isinstance(linked, Answer)
        common = linked.lines.decode().split()
        tags = [linked.tags[start : start + 16] for start in range(0, len(linked.tags), 16)]
        assert len(set(tags)) == len(people)
        in_a = await convert(engine, "resident", "sspin.A", people)
        assert isinstance(in_a, Answer)
        exchanged = await convert(engine, "sspin.A", "sspin.B", in_a.lines.decode().split())
        assert isinstance(exchanged, Answer)
        assert linked.tags == in_a.tags == exchanged.tags
        for number, tag in list(zip(common, tags, strict=True))[:5]:
            assert await look_up(engine, "common", number) == Tagged(Status.OK, (tag,))
        assert await look_up(engine, "common.1", "123456789019") == Tagged(Status.MALFORMED)
        for source in ("sspin.A", "resident", "spin.1"):
            assert await look_up(engine, source, people[0]) == "pair_denied"
        for source in ("tag", "tag.1", "log.1"):
            assert await look_up(engine, source, people[0]) == "unknown_generation"

    with_engine(world, work, monkeypatch)


def test_nothing_is_disclosed_without_an_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    given = Order(
        type="kagimori/order/v1",
        anchor=world.anchor,
        id="0123456789abcdef0123456789abcdef",
        source="sspin.A",
        target="resident",
        role="inquiry",
        purpose="court-order",
        most=2,
        issued=render_instant(now),
        not_before=render_instant(now),
        not_after=render_instant(now + timedelta(days=1)),
        case="No. 12",
    )
    by_oversight, by_officer = (
        cms.sign(orders.encode(given), world.signers[name], now) for name in ("oversight-1", "officer-1")
    )

    async def work(engine: Link) -> None:
        people = codes(3)
        numbers = await lines(engine, "resident", "sspin.A", people)
        assert await convert(engine, "sspin.A", "resident", numbers) == "order_required"
        for order in (b"\0", by_officer, by_oversight[:-1], by_oversight[:-1] + b"\0"):
            assert await convert(engine, "sspin.A", "resident", numbers, order) == "order_invalid"
        assert await convert(engine, "sspin.A", "resident", numbers, by_oversight) == "order_exhausted"
        assert await lines(engine, "sspin.A", "resident", numbers[:2], by_oversight) == people[:2]
        both = cms.merge([by_oversight, by_officer])
        assert await convert(engine, "sspin.A", "resident", numbers[2:], both) == "order_exhausted"
        assert await convert(engine, "sspin.A", "sspin.B", numbers, by_oversight) == "order_mismatch"

    with_engine(world, work, monkeypatch)


def test_after_a_rotation_people_are_found_under_both_keys_and_the_new_log_key_signs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before(engine: Link) -> bytes:
        assert isinstance(await sign(engine, checkpoint(world, 3).text), bytes)
        done = await convert(engine, "resident", "common", codes(1))
        assert isinstance(done, Answer)
        return done.tags

    async def after(engine: Link) -> None:
        done = await convert(engine, "resident", "common", codes(1))
        assert isinstance(done, Answer)
        assert done.tags != old
        found = await look_up(engine, "common", done.lines.decode().strip())
        assert found == Tagged(Status.OK, (done.tags, old))
        text = checkpoint(world, 4).text
        require_signed(world, 2, text, await sign(engine, text))
        assert await sign(engine, checkpoint(world, 2).text) == "checkpoint_refused", "a new key changes no history"

    old = with_engine(world, before, monkeypatch)
    world.ceremony(["generate tag", "activate tag.2", "restrict tag.1", "generate log", "activate log.2"])
    with_engine(world, after, monkeypatch)


def test_a_mark_that_is_damaged_stops_signing_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        path = world.state_directory / logmark.FILE_NAME
        path.write_bytes(b'{"type":"kagimori/log-head/v1"}')
        assert await sign(engine, checkpoint(world, 3).text) == "checkpoint_refused"
        assert len(await lines(engine, "resident", "sspin.A", codes(1))) == 1
        path.unlink()
        signature = await sign(engine, checkpoint(world, 3).text)
        signed = checkpoints.sign(
            checkpoint(world, 3),
            lambda message: signature if isinstance(signature, bytes) else b"",
            checkpoints.key(checkpoint(world, 3).origin, next(iter(servicekeys.log_keys(world.state()).values()))),
        )
        assert signed.text == checkpoint(world, 3).text
        assert json.loads(path.read_bytes())["size"] == 3

    with_engine(world, work, monkeypatch)
