"""All trials, by importing what enters them."""

from __future__ import annotations

from appliance.token.trials import (
    keys,
    logins,
    mechanisms,
    mistakes,
    processes,
    signatures,
    speed,
    streams,
    threads,
    wrapping,
)
from appliance.token.trials.registry import TRIALS

__all__ = [
    "TRIALS",
    "keys",
    "logins",
    "mechanisms",
    "mistakes",
    "processes",
    "signatures",
    "speed",
    "streams",
    "threads",
    "wrapping",
]
