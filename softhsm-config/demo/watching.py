"""Those who watch: one citizen with the proofs of their history, and the oversight body that co-signs the log."""

from __future__ import annotations

import csv
import hashlib
import json
from itertools import islice
from pathlib import Path

from layout import DemoError, Layout
from running import Runner
from scheme import Summary
from steps import Steps

from appliance.configuration import load
from appliance.hubkit import Client
from appliance.hubkit.history import verify_history
from appliance.ledger import chain, files, servicekeys
from appliance.tlog import checkpoint as checkpoints

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
        self._config = load(layout.config)
        self._anchor = self._config.ledger.trust_anchor

    def history(self, resident: int) -> None:
        """The conversions of a citizen (by their place in the register), each proof verified.

        Raises:
            DemoError: there is none.
        """
        with self._steps.step("One citizen's history, by their common number, with proofs") as step:
            with Client(self._layout.socket("portal"), timeout=60) as client:
                answer = client.history("common", self._common_number(resident), reference="demo-portal")
            verify_history(answer, self._log_keys())
            found = answer.conversions
            if not found:
                raise DemoError("the citizen's history is empty")
            purposes = sorted({one.purpose for one in found})
            self._summary.history = {"conversions": len(found), "records": answer.size}
            step.result = f"{len(found)} conversions, each proven among {answer.size:,} records: {', '.join(purposes)}"

    def _common_number(self, resident: int) -> str:
        with (self._layout.folder / "common-numbers.csv").open(encoding="ascii", newline="") as file:
            return next(islice(csv.DictReader(file), resident, None))["common_number"]

    def _log_keys(self) -> list[str]:
        state = chain.verify(files.read(self._config.ledger.directory), self._anchor)
        origin = self._config.origin
        return [str(checkpoints.key(origin, raw)) for raw in servicekeys.log_keys(state).values()]

    def witness(self) -> None:
        """The oversight body verifies what is new and co-signs the checkpoint."""
        with self._steps.step("The oversight body verifies the log and co-signs it") as step:
            self._witness("--begin")
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
