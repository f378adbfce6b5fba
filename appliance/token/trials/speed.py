"""How fast a token is at what Kagimori asks of it most; figures, no judgement."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter_ns

from pkcs11 import Attribute

from appliance.token.trials.bench import Bench, label, new_id
from appliance.token.trials.raw import BLOCK
from appliance.token.trials.registry import trial

SIZES = (1, 16, 256, 4_096, 8_192)
_MESSAGE = bytes(64)


@trial("speed.blocks")
def blocks(bench: Bench) -> tuple[str, dict[str, float]]:
    """One call of a running operation, by its number of blocks."""
    figures: dict[str, float] = {}
    with bench.stored_key("speed") as (key_id, _):
        stream = bench.stream(key_id)
        for size in SIZES:
            data = bytes(BLOCK * size)
            name = f"{size} block{'s' if size > 1 else ''}"
            figures[name] = _microseconds(partial(stream, data), bench.terms.count(200, 30))
    told = ", ".join(f"{name} {value:,.1f} µs" for name, value in figures.items())
    per_block = min(value * 1000 / size for size, value in zip(SIZES, figures.values(), strict=True))
    return f"a call of {told}; {per_block:,.1f} ns a block at best", {**figures, "ns a block": per_block}


@trial("speed.key-generation")
def key_generation(bench: Bench) -> tuple[str, dict[str, float]]:
    """A session key of AES-256."""
    return _told(bench, "an AES-256 session key made and removed", lambda: bench.session_key().destroy(), 50)


@trial("speed.session")
def session(bench: Bench) -> tuple[str, dict[str, float]]:
    """A session opened and closed."""

    def once() -> None:
        with bench.another_session():
            pass

    return _told(bench, "a session opened and closed", once, 50)


@trial("speed.search")
def search(bench: Bench) -> tuple[str, dict[str, float]]:
    """A key found by its CKA_ID."""
    with bench.stored_key("search") as (key_id, _):
        wanted = {Attribute.TOKEN: True, Attribute.ID: key_id}
        return _told(bench, "a key found by its CKA_ID", lambda: list(bench.session.get_objects(wanted)), 50)


@trial("speed.ed25519")
def ed25519(bench: Bench) -> tuple[str, dict[str, float]]:
    """A signature under a checkpoint."""
    key_id = new_id()
    try:
        signer = bench.token.log_signer(key_id, bench.token.generate_log_key(key_id, label("speed ed25519")))
        return _told(bench, "an Ed25519 signature, verified", lambda: signer.sign(_MESSAGE), 50)
    finally:
        bench.drop(key_id)


@trial("speed.p256")
def p256(bench: Bench) -> tuple[str, dict[str, float]]:
    """A signature under an outcome."""
    key_id = new_id()
    try:
        bench.token.generate_signing_key(key_id, label("speed p256"))
        signer = bench.token.signer(b"", key_id=key_id)
        return _told(bench, "a P-256 signature, verified", lambda: signer.sign(_MESSAGE), 50)
    finally:
        bench.drop(key_id)


def _told(bench: Bench, what: str, once: Callable[[], object], times: int) -> tuple[str, dict[str, float]]:
    value = _microseconds(once, bench.terms.count(times, 5))
    return f"{what}: {value:,.1f} µs", {"µs": value}


def _microseconds(once: Callable[[], object], times: int) -> float:
    """The median."""
    once()
    spent = []
    for _ in range(times):
        begun = perf_counter_ns()
        once()
        spent.append(perf_counter_ns() - begun)
    return median(spent) / 1000
