"""How fast the engine's own code converts, beside the token's limit and the peers, in the same rounds.

All of it computes in one thread, so what counts is processor time: other work on the machine does not disturb it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from tests.bench import limits, peers
from tests.bench.figures import Figure, Limit, Measured, at_least
from tests.bench.setting import Seen, Setting, middle, ratio

GROUP = "numbers"
TOKEN = "raw token: AES-ECB blocks / 43"
BARE = "bare FF1: the token's blocks / 30"
PEERS = {
    "library": "python-pkcs11's multi-part operation: AES-ECB blocks / 43, as bytes",
    "fastfpe": "`fastfpe`: the same three FF1 runs, keys in process memory",
    "naive_pkcs11": "naive PKCS#11: a one-shot call for every round",
    "ff3": "`ff3`: three FF3-1 runs (24 blocks, not 30)",
    "pyffx": "`pyffx`: three FFX runs over HMAC-SHA1 (no AES)",
}

GOALS = {"fastfpe": 25.0, "library": 0.6}  # times, or the share of its pace


def measure(setting: Setting) -> Measured:
    """Verified conversions B → E, text to text, in this process."""
    seen = setting.in_turns(_measures(setting), setting.effort.turns)
    seen |= setting.in_turns(_slow_measures(setting))
    limit = Limit(TOKEN, middle(seen, "token"))
    bare = Limit(BARE, limit.value * limits.BLOCKS_PER_CONVERSION / limits.BARE_BLOCKS)
    engine, share = middle(seen, "engine"), ratio(seen, "engine", "token")
    figures = [
        Figure("token_limit", GROUP, TOKEN, limit.value, "/s", limit, 1.0),
        Figure(
            "engine",
            GROUP,
            "engine, text to text",
            engine,
            "/s",
            limit,
            share,
            goal=at_least(0.6),
        ),
        Figure(
            "engine_over_bare",
            GROUP,
            "engine, beside three FF1 runs, nothing asked twice, no tag",
            engine,
            "/s",
            bare,
            share * limits.BARE_BLOCKS / limits.BLOCKS_PER_CONVERSION,
        ),
        *(_against(name, seen, goal=GOALS.get(name)) for name in PEERS),
    ]
    return Measured(figures + [_peer(name, seen, limit) for name in PEERS])


def token_of(setting: Setting, clock: limits.Clock = time.perf_counter) -> Callable[[], float]:
    """One turn of the token's limit."""
    return lambda: limits.token_limit(setting.ours.encrypt_blocks, setting.effort.slice, clock)


def _measures(setting: Setting) -> dict[str, Callable[[], float]]:
    seconds = setting.effort.slice
    chains = {"fastfpe": peers.fastfpe_chain(), "ff3": peers.ff3_chain(), "pyffx": peers.pyffx_chain()}
    return {
        "token": token_of(setting, limits.PROCESSOR),
        "engine": lambda: limits.rate(setting.ours.convert_batch, seconds, limits.PROCESSOR),
        **{name: partial(chain.conversions, seconds) for name, chain in chains.items()},
    }


def _slow_measures(setting: Setting) -> dict[str, Callable[[], float]]:
    """What takes a process of its own, with the token and the engine beside it again."""
    seconds, world = 5 * setting.effort.slice, setting.world
    where = [str(world.module), world.token_label, str(world.pin_file), str(seconds)]

    def apart(program: str) -> float:
        command = [sys.executable, "-m", f"tests.bench.{program}", *where]
        return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=world.env).stdout)

    measures: dict[str, Callable[[], float]] = {}
    for peer, program in (("library", "library"), ("naive_pkcs11", "naive")):
        measures[f"token beside {peer}"] = token_of(setting, limits.PROCESSOR)
        measures[f"engine beside {peer}"] = partial(limits.rate, setting.ours.convert_batch, seconds, limits.PROCESSOR)
        measures[peer] = partial(apart, program)
    return measures


def _beside(seen: Seen, name: str, peer: str) -> str:
    """The engine or the token in the same turns as that peer."""
    return own if (own := f"{name} beside {peer}") in seen else name


def _short(peer: str) -> str:
    return PEERS[peer].partition(":")[0]


def _against(peer: str, seen: Seen, goal: float | None = None) -> Figure:
    limit, wanted = Limit(_short(peer), middle(seen, peer)), None if goal is None else at_least(goal)
    times = ratio(seen, _beside(seen, "engine", peer), peer)
    as_share = peer == "library"
    return Figure(
        f"engine_over_{peer}",
        GROUP,
        f"engine, beside {_short(peer)}",
        middle(seen, "engine"),
        "/s",
        limit,
        times,
        not as_share,
        wanted,
    )


def _peer(name: str, seen: Seen, limit: Limit) -> Figure:
    return Figure(
        name, GROUP, PEERS[name], middle(seen, name), "/s", limit, ratio(seen, name, _beside(seen, "token", name))
    )
