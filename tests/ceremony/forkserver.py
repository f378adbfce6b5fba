"""Runs the ceremony tool many times without importing it anew: ``python forkserver.py`` forks a process per request.

A request is a line of JSON on standard input: ``args``, ``env``, ``cwd``, ``fault`` ([name, number] or null) and
``kill`` ([line of the journal, "before" or "after"] or null); with ``terminal`` (a path) it is run at that terminal;
with ``moments`` (a path) everything in ``cwd`` is copied below it at each of those places, as a kill would leave it.
The answer is a line with ``code`` (negative: the signal that ended it), ``out``, ``err``, ``lines`` (how many the
journal got) and ``error`` (the name of what was raised). The server itself never touches PKCS#11, so every child starts
as a new process would.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import saboteur

from appliance import commandline
from keyceremony import cli
from keyceremony.act.journal import Journal

Moment = Callable[[int, str], object]


def _serve() -> None:
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out, err, count, error = (Path(folder) / name for name in ("out", "err", "count", "error"))
        child = os.fork()
        if child == 0:
            _note_errors(error)
            _run(request, out, err, count)
        _, status = os.waitpid(child, 0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read_text(errors="replace") if out.exists() else "",
            "err": err.read_text(errors="replace") if err.exists() else "",
            "lines": int(count.read_text()) if count.exists() else 0,
            "error": error.read_text() if error.exists() else "",
        }


def _run(request: dict[str, Any], out: Path, err: Path, count: Path) -> None:
    """The child; never returns."""
    code = 70
    try:
        if request.get("terminal"):
            _sit_down(request["terminal"])
        else:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
            os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT), 2)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        _watch_journal(count, _killed_at(request["kill"]), _copied_to(request.get("moments")))
        if request["fault"]:
            name, number = request["fault"]
            saboteur.FAULTS[name](number)
        cli.main(request["args"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _sit_down(terminal: str) -> None:
    """The terminal becomes the process's own, as if it had been started there."""
    os.setsid()
    controlling = os.open(terminal, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(controlling, descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8")


def _note_errors(error: Path) -> None:
    """Keep the name of the exception that ends the command line."""
    real = commandline._told

    def told(raised: Exception) -> Any:
        error.write_text(type(raised).__name__)
        return real(raised)

    commandline._told = told


def _killed_at(place: list[Any] | None) -> Moment:
    """Die at a line of the journal."""
    return lambda number, when: os.kill(os.getpid(), signal.SIGKILL) if place == [number, when] else None


def _copied_to(folder: str | None) -> Moment:
    """Keep what is on the disk at every line of the journal: the kernel has what was written, killed or not."""
    return lambda number, when: shutil.copytree(Path.cwd(), Path(folder) / f"{number}-{when}") if folder else None


def _watch_journal(count: Path, *moments: Moment) -> None:
    """Count the lines a journal gets; each moment is called with (number, "before" or "after")."""
    real_write, real_create = Journal.write, Journal.create.__func__  # type: ignore[attr-defined]
    written = [0]

    def step(write: Any) -> Any:
        written[0] += 1
        count.write_text(str(written[0]))
        for moment in moments:
            moment(written[0], "before")
        answer = write()
        for moment in moments:
            moment(written[0], "after")
        return answer

    def write(self: Journal, *arguments: Any, **data: Any) -> None:
        step(lambda: real_write(self, *arguments, **data))

    def create(cls: type[Journal], *arguments: Any) -> Journal:
        return step(lambda: real_create(cls, *arguments))  # type: ignore[no-any-return]

    Journal.write = write  # type: ignore[method-assign]
    Journal.create = classmethod(create)  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    _serve()
