"""The trials by their ids: each module of this room enters its own."""

from __future__ import annotations

from collections.abc import Callable

from appliance.token.trials.bench import Bench
from appliance.token.trials.findings import Measured

Trial = Callable[[Bench], str | Measured]

TRIALS: dict[str, Trial] = {}


def trial(name: str) -> Callable[[Trial], Trial]:
    """Enters a function under an id."""

    def enter(function: Trial) -> Trial:
        if name in TRIALS:
            raise AssertionError(f"two trials are called {name}")
        TRIALS[name] = function
        return function

    return enter
