"""A watched daemon for tests: witnesses, orders and quotas in the policy, a portal, the log as oversight sees it."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from msgspec.structs import replace

from appliance.ledger import canonical, cms, order, servicekeys
from appliance.ledger.actions import DomainSpec
from appliance.ledger.order import Order
from appliance.ledger.policy import LogRules, Policy, RoleRule
from appliance.ledger.text import render_instant
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import cosignature, merkle, note, tiles
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, Note, VerifierKey
from tests.daemonkit import JSON, Daemon, Reply
from tests.world import World, build_world, default_policy

WITNESS = "oversight.example/witness"
HOURS = timedelta(hours=1)


@dataclass(frozen=True)
class Witness:
    """The oversight body's two keys."""

    name: str = WITNESS
    ed25519: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    ml_dsa: MLDSA44PrivateKey = field(default_factory=MLDSA44PrivateKey.generate)

    @property
    def vkeys(self) -> tuple[str, ...]:
        ed = VerifierKey(self.name, COSIGNATURE_ED25519, self.ed25519.public_key().public_bytes_raw())
        ml = VerifierKey(self.name, COSIGNATURE_ML_DSA_44, self.ml_dsa.public_key().public_bytes_raw())
        return str(ed), str(ml)

    def cosigned(self, signed: bytes, at: int | None = None, *, kinds: str = "both") -> bytes:
        """The signed checkpoint with the witness's cosignatures beside the log's signature."""
        given = note.parse(signed)
        checkpoint = checkpoints.parse_text(given.text)
        when = int(time.time()) if at is None else at
        ed = cosignature.sign_ed25519(self.ed25519, self.name, checkpoint, when)
        ml = cosignature.sign_ml_dsa_44(self.ml_dsa, self.name, checkpoint, when)
        added = {"both": (ed, ml), "ed25519": (ed,), "ml-dsa": (ml,)}[kinds]
        return note.render(Note(given.text, (*given.signatures, *added)))


def rule(pairs: Sequence[tuple[str, str]], purposes: Sequence[str], **more: Any) -> RoleRule:
    limits = {"values_per_request": 100, "values_per_stream": 100_000, "values_per_minute": 1_000_000_000}
    return RoleRule(pairs=tuple(pairs), purposes=tuple(purposes), **{**limits, **more})


def watched_policy(domains: Sequence[DomainSpec], log: LogRules | None = None) -> Policy:
    """court: disclosures, and more than 5 numbers under orders; daily: quotas; portal: by common and sspin.A."""
    policy = default_policy(domains)
    roles = dict(policy.roles)
    pairs = (("sspin.A", "resident"), ("sspin.A", "spin"), ("sspin.A", "sspin.B"), ("sspin.B", "resident"))
    roles["court"] = rule(pairs, ("court-order", "exchange"), values_without_order=5)
    quotas = {"values_per_request": 50, "values_per_day": 60, "purpose_values_per_day": {"linking": 10}}
    roles["daily"] = rule((("sspin.A", "sspin.B"),), ("exchange", "linking"), **quotas)
    roles["portal"] = replace(roles["portal"], history=("common", "sspin.A"), values_per_minute=1_000_000)
    return replace(policy, roles=roles, log=log or LogRules())


def watched_world(folder: Path, log: LogRules | None = None) -> World:
    """Keys for common, spin, sspin.A and sspin.B, beside log and tag."""
    from keyceremony.plans import setup_file

    domains = setup_file.default_specs()
    keys = ("common", "spin", "sspin.A", "sspin.B")
    return build_world(folder, domains=domains, policy=watched_policy(domains, log), keys=keys)


def make_order(world: World, *people: str, **changes: Any) -> bytes:
    """A signed order for court: sspin.A → resident, three numbers, from now for an hour. ``people``: who signs."""
    now = datetime.now(UTC).replace(microsecond=0)
    fields = {
        "type": "kagimori/order/v1",
        "anchor": world.anchor,
        "id": secrets.token_hex(16),
        "source": "sspin.A",
        "target": "resident",
        "role": "court",
        "purpose": "court-order",
        "most": 3,
        "issued": render_instant(now),
        "not_before": render_instant(now),
        "not_after": render_instant(now + HOURS),
        "case": "a court's case",
    }
    made = Order(**{**fields, **changes})
    at = min(now, datetime.fromisoformat(made.issued))
    content = canonical.encode(made)
    return cms.merge([cms.sign(content, world.signers[one], at) for one in people or ("oversight-1",)])


def digest_of(der: bytes) -> str:
    return order.digest(cms.verify(der).content)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def history(daemon: Daemon, source: str, number: str, *, role: str = "portal", **more: Any) -> Reply:
    question = {"source": source, "number": number, "reference": "a look", **more}
    return daemon.ask(role, "POST", "/v1/history", json.dumps(question).encode(), JSON)


def log_file(daemon: Daemon, path: str, role: str = "oversight") -> bytes:
    """A file of the log as the oversight body gets it."""
    reply = daemon.ask(role, "GET", f"/v1/log/{path}")
    assert reply.status == 200, (path, reply)
    return reply.body


def signed_checkpoint(daemon: Daemon, least: int = 1, seconds: float = 30.0) -> tuple[Checkpoint, bytes]:
    """A checkpoint of at least so many records, its signature verified against the ledger."""
    end = time.monotonic() + seconds
    while True:
        reply = daemon.ask("oversight", "GET", "/v1/log/checkpoint")
        if reply.status == 200:
            signed = verified(daemon.world, reply.body)
            if signed.size >= least:
                return signed, reply.body
        assert time.monotonic() < end, reply
        time.sleep(0.05)


def verified(world: World, signed: bytes) -> Checkpoint:
    """The checkpoint, if a log key of the ledger signed it."""
    origin = f"kagimori/log/{world.anchor[:16]}/main"
    keys = [checkpoints.key(origin, raw) for raw in servicekeys.log_keys(world.state()).values()]
    return checkpoints.verify(signed, keys, origin).checkpoint


def entries(daemon: Daemon, size: int) -> list[bytes]:
    """All records below a checkpoint, from the entry bundles."""
    found: list[bytes] = []
    for bundle in tiles.bundles_of(size):
        found += tiles.read_bundle(log_file(daemon, bundle.path), bundle.width)
    return found


def root_of(leaves: Sequence[bytes]) -> bytes:
    frontier = merkle.Frontier()
    for leaf in leaves:
        frontier.append(merkle.leaf_hash(leaf))
    return frontier.root()
