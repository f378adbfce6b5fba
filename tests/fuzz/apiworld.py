"""A world whose daemon is asked at random: witnesses, orders, quotas and histories in it, and what is real there."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

from appliance.ledger.policy import LogRules
from tests.daemonkit import Daemon, codes
from tests.fuzz import api, apidocument
from tests.fuzz.apidocument import COMMON, LOG, Samples
from tests.fuzz.tcp import forwarded
from tests.watchkit import Witness, make_order, watched_world

ASKED = {
    "hub json": ("hub", "convert:json", *COMMON),
    "hub stream": ("hub", "convert:stream"),
    "numbering": ("numbering", "convert:json"),
    "court": ("court", "convert:json"),
    "court stream": ("court", "convert:stream"),
    "portal": ("portal", "history", "mark", *COMMON),
    "oversight": ("oversight", *LOG, *COMMON),
}
"""What is asked on which role's socket."""

STRICT = ("domains", "status", "health", "ready", "checkpoint", "cosigned", "tile2", "tile3", "ledger", "ledgerFile")


class Asked:
    """A daemon that runs, and the witness of its log."""

    def __init__(self, daemon: Daemon, witness: Witness) -> None:
        self.daemon = daemon
        self._witness = witness

    def ask(self, what: str, *, examples: int, seed: int) -> api.Outcome:
        """One line of `ASKED`."""
        role, *operations = ASKED[what]
        apidocument.register(samples(self.daemon, self._witness, role))
        strict = [*STRICT, *(["convert"] if "convert:json" in operations else [])]
        with forwarded(self.daemon.world.socket(role)) as url:
            return api.run(url, apidocument.of_operations(*operations), examples=examples, seed=seed, strict=strict)

    def defects(self) -> list[str]:
        """Lines of the daemon's log that tell of a defect."""
        return [line for line in self.daemon.log.splitlines() if " ERROR " in line or "defect" in line]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Asked]:
    """A daemon on a world made in that folder, with the witness's keys in its policy."""
    witness = Witness()
    with Daemon(watched_world(folder, LogRules(witnesses=witness.vkeys))) as daemon:
        yield Asked(daemon, witness)


def samples(daemon: Daemon, witness: Witness, role: str) -> Samples:
    """What is real for a role: numbers that are somebody's, the pairs it has, files and tiles that are there."""
    residents = codes(4)
    common = daemon.numbers("resident", "common", residents, role="numbering")
    sector = daemon.numbers("resident", "sspin.A", residents, role="numbering")
    pairs = {
        "numbering": (("resident",), ("common", "sspin.A", "sspin.B.1", "sspin.C")),
        "portal": (("common", "common.1", "common.2"), ("common",)),
        "court": (("sspin.A",), ("sspin.B", "resident", "spin")),
    }
    sources, targets = pairs.get(role, (("sspin.A", "sspin.A.1", "sspin.A.2"), ("sspin.B", "sspin.B.1", "sspin.C")))
    purposes = {"numbering": ("linking",), "court": ("court-order", "exchange")}.get(role, ("exchange",))
    log = daemon.ask("oversight", "GET", "/v1/log/checkpoint").body
    return Samples(
        sources=sources,
        targets=targets,
        purposes=purposes,
        numbers=(*{"numbering": residents, "portal": common}.get(role, sector), "not a number"),
        notes=(witness.cosigned(log).decode("utf-8"), log.decode("utf-8")),
        orders=(base64.b64encode(make_order(daemon.world, most=1_000_000)).decode("ascii"),),
    )
