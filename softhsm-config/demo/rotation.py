"""The rotation of one sector's key amid the traffic: a new key, stored numbers re-keyed, the old key retired."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import ceremony
from exchanges import Exchanges
from layout import DemoError, Layout, Tools
from parties import Party
from running import Runner
from steps import Steps
from summary import Summary, in_words

from appliance.hubkit import Client
from appliance.linking import rekeyed

OLD, NEW = "sspin.E.1", "sspin.E.2"
APPROVERS = ("officer-1", "officer-3", "oversight-1")
PATIENCE = 120.0  # seconds
FLOWING = 20  # answers that must come between one step and the next


class Rotation:
    """Of sector E's key. ``pid``: the daemon's, which reads the ledger again at SIGHUP."""

    def __init__(self, layout: Layout, tools: Tools, runner: Runner, steps: Steps, summary: Summary, pid: int) -> None:
        self._layout = layout
        self._tools = tools
        self._runner = runner
        self._steps = steps
        self._summary = summary
        self._pid = pid

    def turn(self, exchanges: Exchanges, party: Party) -> None:
        """All of it. Questions to and from the sector are asked and answered from its beginning to its end.

        Raises:
            DemoError: something went wrong; a question was answered wrongly, or not at all.
        """
        with exchanges.traffic() as going_on:
            with self._steps.step("Rotation of sector E's key while questions go on: a new key beside the old") as step:
                self._flows(going_on)
                self._plan()
                step.result = f"{NEW} is made, co-signed and in force; numbers of both generations convert"
            with self._steps.step("Sector E's stored numbers re-keyed, each asked back") as step:
                count = self._rekey(party)
                self._flows(going_on)
                step.result = f"{count:,} numbers of {OLD} are now of {NEW}"
            with self._steps.step("The old key restricted, then retired by the census") as step:
                self._plan()
                self._flows(going_on)
                self._plan("--census", self._layout.rekeyed.with_name(f"{self._layout.rekeyed.name}.census.json"))
                self._flows(going_on)
                step.result = f"no number is left under {OLD}, which converts nothing any more"
        self._finish(count, going_on)

    def _finish(self, count: int, outcomes: Counter[str]) -> None:
        with self._steps.step("What was asked of and by sector E during the rotation") as step:
            self._summary.rotation = {"rekeyed": count, "questions": outcomes.total(), **outcomes}
            step.result = f"{outcomes.total():,} questions: {in_words(outcomes)}; every answer right"

    def _flows(self, outcomes: Counter[str]) -> None:
        """Wait until some more questions have been answered.

        Raises:
            DemoError: none is.
        """
        before, until = outcomes["answered"], time.monotonic() + PATIENCE
        while outcomes["answered"] < before + FLOWING:
            if time.monotonic() > until:
                raise DemoError("nothing is answered while the key is rotated")
            time.sleep(0.01)

    def _plan(self, *more: object) -> None:
        """The next plan of the rotation, by the command lines, and the daemon told."""
        self._runner("keyceremony", "plan", "rotate", "sspin.E", *map(str, more), "--config", self._layout.config)
        plan = max((self._layout.ledger / "pending").glob("*.plan.json"))
        sequence = int(plan.name.partition(".")[0])
        ceremony.carry_out(self._layout, self._tools, self._runner, plan, APPROVERS)
        os.kill(self._pid, signal.SIGHUP)
        self._await_ledger(sequence)

    def _await_ledger(self, sequence: int) -> None:
        until = time.monotonic() + PATIENCE
        with Client(self._layout.socket("hub"), timeout=10) as client:
            while client.status()["ledger"]["sequence"] < sequence:
                if time.monotonic() > until:
                    raise DemoError(f"the daemon does not take ledger entry {sequence}")
                time.sleep(0.02)

    def _rekey(self, party: Party) -> int:
        """The sector's own numbers: out, through the appliance, and in again; all or nothing."""
        exported = self._layout.folder / "sector-e.csv"
        self._runner("appliance", "sector", "export", "--csv", exported, "--file", self._layout.sector(party.letter))
        given = [
            "--column",
            "number",
            "--from",
            OLD,
            "--to",
            NEW,
            "--purpose",
            "re-keying",
            "--reference",
            "rotation-1",
        ]
        socket = ["--socket", str(self._layout.socket("rekey"))]
        self._runner("appliance", "bulk", "rekey", exported, self._layout.rekeyed, *given, *socket)
        return rekeyed.take(party.sector, self._layout.rekeyed, NEW).numbers
