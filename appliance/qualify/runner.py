"""A whole qualification: looked, tried, removed, judged.

Every job has a process of its own, so that a module that crashes or hangs loses one check and not the report.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from appliance.qualify.checks import CHECKS, NOTHING_LEFT
from appliance.qualify.errors import LoginRefused, ScratchLeft, ScratchStays, WorkerFailed
from appliance.qualify.job import Job
from appliance.qualify.table import Check
from appliance.qualify.verdict import Row, Verdict, judge
from appliance.token.trials.bench import Terms
from appliance.token.trials.findings import Finding, Result

PATIENCE = 300.0  # seconds for one check; RSA pairs take a card a minute
Show = Callable[[int, int], None]


@dataclass(frozen=True)
class Report:
    """What was found. ``token``: how it names itself; ``rows`` in the table's order."""

    token: dict[str, str]
    made: datetime
    quick: bool
    rows: tuple[Row, ...]
    verdict: Verdict


@dataclass(frozen=True)
class _Look:
    """A token, and what is stored there."""

    token: dict[str, str]
    scratch: list[dict[str, Any]]
    others: list[tuple[str, str, str]]


def qualify(terms: Terms, show: Show, *, clean: bool = False, checks: tuple[Check, ...] = CHECKS) -> Report:
    """Try every check; whatever happens, what was made is removed.

    Raises:
        LoginRefused: the token cannot be opened; nothing was tried.
        ScratchLeft: another run is at work, or has left something (``clean`` removes it first).
        ScratchStays: what this run made could not be removed.
    """
    before = _look(terms)
    if before.scratch:
        _clean(terms, before, clean)
    try:
        rows = list(_rows(terms, checks, show))
    except LoginRefused:  # no PIN is tried once more after it was refused
        raise
    except BaseException:
        with _undisturbed():
            _swept(terms)
        raise
    with _undisturbed():
        after = _swept(terms)
    rows.append(Row(NOTHING_LEFT, _nothing_left(before, after)))
    return Report(before.token, datetime.now(UTC), terms.quick, tuple(rows), judge(rows))


def _clean(terms: Terms, before: _Look, clean: bool) -> None:
    if not clean:
        raise ScratchLeft(
            f"token {before.token['label']!r}: {len(before.scratch)} scratch objects of another run are there",
            "if none is running, --clean removes them and goes on",
        )
    _swept(terms)


def _rows(terms: Terms, checks: tuple[Check, ...], show: Show) -> Iterator[Row]:
    """A row for each check. A process that ends in a check takes that one with it; the next goes on behind it."""
    waiting = {check.id: check for check in checks}
    while waiting:
        running = ""
        with Job(terms, "try", tuple(waiting)) as job:
            try:
                for told in job.lines(PATIENCE):
                    if "begin" in told:
                        running = told["begin"]
                    else:
                        running = ""
                        yield _row(waiting.pop(told["end"]), told)
                        show(len(checks) - len(waiting), len(checks))
                how = f"the module ended its process ({job.end()})" if waiting else ""
            except TimeoutError:
                how = f"no answer within {PATIENCE:.0f} s"
        if waiting and not running:
            raise WorkerFailed(
                f"the process that talks to the token ended between two checks: {how}",
                "run it again; if it ends there again, ask the vendor what these words mean",
            )
        if waiting:
            yield Row(waiting.pop(running), Finding(Result.DIFFERS, how))


def _row(check: Check, told: dict[str, Any]) -> Row:
    return Row(check, Finding(Result(told["result"]), told["evidence"], told["figures"]), told["seconds"])


def _look(terms: Terms, do: str = "look") -> _Look:
    """The token as it is, or as it is after a sweep."""
    token: dict[str, str] = {}
    objects: list[dict[str, Any]] = []
    with Job(terms, do) as job:
        try:
            for told in job.lines(PATIENCE):
                token, objects = told.get("token", token), told.get("objects", objects)
            how = job.end()
        except TimeoutError:
            how = f"no answer within {PATIENCE:.0f} s"
    if not token:
        raise WorkerFailed(f"the module cannot be used: {how}", "is it a PKCS#11 module for this machine?")
    others = sorted((one["id"], one["kind"], one["label"]) for one in objects if not one["scratch"])
    return _Look(token, [one for one in objects if one["scratch"]], others)


def _swept(terms: Terms) -> _Look:
    """Remove what is of the scratch kind, and look.

    Raises:
        ScratchStays: something is there still.
    """
    after = _look(terms, "sweep")
    if after.scratch:
        names = ", ".join(f"{one['kind']} {one['id']}" for one in after.scratch)
        raise ScratchStays(
            f"token {after.token['label']!r}: scratch objects could not be removed: {names}",
            "remove them with the token's own tools; all begin with the label kagimori-qualify",
        )
    return after


def _nothing_left(before: _Look, after: _Look) -> Finding:
    if before.others != after.others:
        return Finding(Result.DIFFERS, "other objects than before are on the token: does another program use it?")
    return Finding(Result.PASSED, f"{len(after.others)} other objects, as before; no scratch object")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not keep the scratch objects there."""
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
