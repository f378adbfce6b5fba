"""The oversight body of the demo: it co-signs the log, takes a copy, and reports."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from layout import DemoError, Layout
from running import Runner
from steps import Steps
from summary import Summary

from appliance.configuration import load

WITNESS = "oversight.demo.example/witness-1"


def make_witness(layout: Layout, runner: Runner) -> tuple[str, ...]:
    """The oversight body's witness keys, made before the genesis, whose policy names them; the public halves."""
    runner("appliance", "oversight", "init", layout.witness, "--name", WITNESS, "--no-passphrase")
    return tuple((layout.witness / "vkeys").read_text(encoding="utf-8").split())


class Watching:
    """What happens after the exchanges, while the daemon runs, and after it has stopped."""

    def __init__(self, layout: Layout, runner: Runner, steps: Steps, summary: Summary) -> None:
        self._layout = layout
        self._runner = runner
        self._steps = steps
        self._summary = summary
        self._anchor = load(layout.config).ledger.trust_anchor

    def witness(self, *more: str) -> None:
        """The oversight body verifies what is new and co-signs the checkpoint; ``--begin`` the first time."""
        again = "" if more else ", again"
        with self._steps.step(f"The oversight body verifies the log and co-signs it{again}") as step:
            self._witness(*more)
            said = json.loads(self._runner("appliance", "status", "--json", "--socket", self._layout.socket("hub")))
            audit = said["audit"]
            if not 0 < audit["cosigned"] <= audit["records"]:
                raise DemoError("the log was not co-signed")
            self._summary.cosigned = audit["cosigned"]
            step.result = f"{audit['cosigned']:,} records, under Ed25519 and ML-DSA-44 (post-quantum)"

    def _witness(self, *more: str) -> None:
        state, socket = self._layout.folder / "witness-state", self._layout.socket("oversight")
        given: list[str | Path] = ["--keys", self._layout.witness, "--state", state, "--anchor", self._anchor]
        self._runner("appliance", "oversight", "witness", *given, "--socket", socket, *more)

    def export(self) -> None:
        """A copy of the log, verified and made into a page without the appliance.

        Raises:
            DemoError: something is wrong with it.
        """
        copy, page, socket = self._layout.copy, self._layout.page, self._layout.socket("oversight")
        anchored = ("--anchor", self._anchor)
        with self._steps.step("A copy for the auditors, every record verified offline") as step:
            self._runner("appliance", "oversight", "export", copy, "--socket", socket, *anchored)
            self._runner("appliance", "oversight", "verify", copy, *anchored)
            step.result = f"{_size(copy):,} files, nothing found"
        with self._steps.step("The auditors' report") as step:
            self._runner("appliance", "oversight", "report", copy, *anchored, "--out", page)
            digest = hashlib.sha256(page.read_bytes()).hexdigest()[:8]
            step.result = f"{page.relative_to(self._layout.folder)} ({digest}…): one page, to be looked at in a browser"


def _size(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
