"""Does the daemon stand it? Hostile messages and a proper caller beside each other, and what is left afterwards."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing.connection import Connection
from typing import Any

from appliance.daemon.app import RECORDS_AT_ONCE, RECORDS_PER_SECOND
from appliance.daemon.problems import KINDS
from tests.daemonkit import PURPOSE, Daemon, codes, resident_kilobytes, wait_for
from tests.hostile import beside, sender
from tests.hostile.messages import MARK, ROLES
from tests.metrickit import with_metrics
from tests.openfiles import open_files
from tests.world import World

FILES_MORE = 8  # the caller beside, a segment of the log
MEMORY_MORE = 100_000  # kilobytes
TIMES = 2.0
AT_EASE = ("running as root", "its memory is not locked")  # who runs it, and with which limits, is no finding
_spawn = multiprocessing.get_context("spawn")


@dataclass
class Report:
    """All figures of one run; ``findings`` is empty if everything was as it must be."""

    messages: int
    seconds: float = 0.0
    sent: sender.Sent = field(default_factory=sender.Sent)
    p50: dict[str, float] = field(default_factory=dict)
    p99: dict[str, float] = field(default_factory=dict)
    asked: int = 0
    memory: tuple[int, int, int] = (0, 0, 0)  # kilobytes: before, most, after
    files: tuple[int, int] = (0, 0)
    refusals: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """``count`` messages, ``rate`` a second, in ``rounds``; the caller is alone ``alone`` seconds before each.

    So both are measured on the same machine in the same mood. ``only``: one kind of message, "" for all.
    """

    count: int
    seed: int = 1
    rate: float = 250.0
    rounds: int = 50
    alone: float = 2.0
    only: str = ""


def attempt(world: World, plan: Plan) -> Report:
    """Carry it out."""
    with Daemon(with_metrics(world)) as daemon:
        report = Report(plan.count)
        question, expected = _question(daemon)
        kept = _keep(daemon, lambda: daemon.convert(**question))
        with _child(sender.run, world.folder / "run", plan.seed, plan.count, plan.rate, plan.only) as hostile:
            path = world.socket("numbering")
            with _child(beside.run, path, {**question_body(question)}, expected) as caller:
                begin = time.monotonic()
                most = _rounds(daemon, hostile, caller, plan)
                report.seconds = time.monotonic() - begin
                caller.send("")
                noticed = caller.recv()
            hostile.send(0)
            report.sent = hostile.recv()
        _judge_caller(report, noticed)
        _judge_daemon(report, daemon, kept, most)
        if daemon.stop() != 0:
            report.findings.append("the daemon did not end well")
        _judge_log(report, daemon)
        return report


def question_body(question: dict[str, Any]) -> dict[str, Any]:
    """The JSON of what `Daemon.convert` asks."""
    return {
        **{name: question[name] for name in ("source", "target", "numbers")},
        "purpose": PURPOSE["numbering"],
        "reference": "a test",
    }


def _question(daemon: Daemon) -> tuple[dict[str, Any], list[str]]:
    question = {"source": "resident", "target": "sspin.A", "numbers": codes(3), "role": "numbering"}
    expected = [result["number"] for result in daemon.convert(**question).json["results"]]
    return question, expected


@dataclass
class _Kept:
    pid: int
    engines: list[int]
    memory: int
    files: int
    records: int


def _keep(daemon: Daemon, ask: Any) -> _Kept:
    """How things are at rest, once the daemon is warm."""
    for _ in range(300):
        ask()
    return _Kept(
        daemon.pid, daemon.engines(), resident_kilobytes(daemon.pid), open_files(daemon), len(daemon.records())
    )


@contextmanager
def _child(target: Any, *arguments: Any) -> Iterator[Connection]:
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield ours
        process.join(30)
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


def _rounds(daemon: Daemon, hostile: Connection, caller: Connection, plan: Plan) -> int:
    """The most memory, kilobytes."""
    most = 0
    count, rounds = plan.count, plan.rounds
    for place in range(rounds):
        caller.send(f"alone {place}")
        time.sleep(plan.alone)
        caller.send(f"beside {place}")
        hostile.send(count * (place + 1) // rounds - count * place // rounds)
        while not hostile.poll(0.5):
            most = max(most, resident_kilobytes(daemon.pid))
        hostile.recv()
    return most


def _judge_caller(report: Report, noticed: beside.Noticed) -> None:
    report.findings += [f"the caller beside: {wrong}" for wrong in noticed.wrong[:5]]
    report.asked = sum(map(len, noticed.took.values()))
    for phase in ("alone", "beside"):
        all_of_it = sorted(chain(*(took for name, took in noticed.took.items() if name.startswith(phase))))
        report.p50[phase], report.p99[phase] = (all_of_it[int(len(all_of_it) * part)] for part in (0.5, 0.99))


def _judge_daemon(report: Report, daemon: Daemon, kept: _Kept, most: int) -> None:
    found = report.findings
    found += sorted(set(report.sent.wrong))[:20]
    wait_for(lambda: open_files(daemon) <= kept.files + FILES_MORE, 30)
    report.files = kept.files, open_files(daemon)
    report.memory = kept.memory, most, resident_kilobytes(daemon.pid)
    if most - kept.memory > MEMORY_MORE:
        found.append(f"memory grew by {most - kept.memory} KB")
    if daemon.engines() != kept.engines:
        found.append("an engine was replaced")
    records = daemon.records()[kept.records :]
    report.refusals = sum(record["kind"] == "refusal" for record in records)
    found += _record_faults(report, records)


def _record_faults(report: Report, records: list[dict[str, Any]]) -> Iterator[str]:
    if report.refusals < report.sent.recorded:
        yield f"{report.sent.recorded} refusals were answered, {report.refusals} recorded"
    if report.refusals > len(ROLES) * (RECORDS_AT_ONCE + RECORDS_PER_SECOND * report.seconds):
        yield f"{report.refusals} refusals in {report.seconds:.0f} s"
    numbers = [record["record"] for record in records]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        yield "records do not follow each other"
    refusals = [record for record in records if record["kind"] == "refusal"]
    if any(record["code"] not in KINDS for record in refusals):
        yield "a record with a code of no list"
    if MARK in str(records):
        yield "a record repeats a number"


def _judge_log(report: Report, daemon: Daemon) -> None:
    lines = daemon.log.splitlines()
    report.findings += [line for line in lines if " INFO " not in line and not any(word in line for word in AT_EASE)]
    if MARK in daemon.log:
        report.findings.append("the daemon's log repeats a number")
