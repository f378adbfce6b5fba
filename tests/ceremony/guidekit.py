"""Runs a page of the documentation: its files are written, its commands typed at a terminal, its output compared.

Commands are run in the order of the page, with ``keyceremony``, ``appliance``, ``pkcs11-tool`` and ``openssl`` on the
PATH. What differs from run to run (digests, words, serial numbers) is learnt from the output where the page shows it
first; from then on it must be the same one everywhere, and later commands are typed with the real one.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ceremonykit import _ON_TERMINAL, SERVER, Stage
from shamir_mnemonic.wordlist import WORDLIST

from tests.world import PROJECT, softhsm

FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`(?P<name>[\w.-]+)`:\n\n\Z")
ELLIPSIS = "…"
SECONDS = 90
SECRET = re.compile(r"PIN|[Pp]assphrase")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]")
_WORD = f"(?:{'|'.join(WORDLIST)})"
_VARIES = re.compile(
    r"(?P<hex>(?<![\w-])[0-9a-f]{12,}…?)"
    rf"|(?P<words>(?<=  ){_WORD}(?: {_WORD}){{3}}$)"
    rf"|(?P<last>(?:(?<=approve\): )|(?<=sign\): )){_WORD}(?: {_WORD}){{3}}$)"
    r"|(?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?)"
    r"|(?P<took>\d+ ms|\d+\.\d+ s)"
    r"|(?P<size>[\d,]+(?= bytes))"
    r"|(?P<number>(?<![\w.-])[0-9A-Z]{11}(?![\w.-]))"
    r"|(?P<line>[─━╸╺]+)"
)
_LASTING = ("hex", "words", "last", "number")


@dataclass(frozen=True)
class Command:
    """A command of a page, at its line, and the output that the page shows; none: the page does not show any."""

    line: int
    text: str
    shown: tuple[str, ...]

    @property
    def killed(self) -> bool:
        return bool(self.shown) and self.shown[-1] == "Killed"

    @property
    def fails(self) -> bool:
        return any(line.startswith(("error: ", "Needs attention")) for line in self.shown)


@dataclass(frozen=True)
class Written:
    """A file that a page shows whole."""

    name: str
    text: str


def steps(page: str) -> Iterator[Command | Written]:
    """What a page has to be done, in its order; a block that is neither commands nor a file is not allowed."""
    for fence in FENCE.finditer(page):
        line = page.count("\n", 0, fence.start("body")) + 1
        if fence["kind"] == "console":
            yield from _commands(fence["body"], line)
        else:
            named = FILE.search(page[: fence.start()])
            assert fence["kind"] == "toml" and named, f"line {line}: neither a console block nor a file with its name"
            yield Written(named["name"], fence["body"])


def _commands(body: str, line: int) -> Iterator[Command]:
    lines = body.replace("\\\n", "\\\0").splitlines()
    starts = [number for number, text in enumerate(lines) if text.startswith("$ ")]
    assert starts and starts[0] == 0, f"line {line}: the block does not begin with a command"
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        shown = tuple(text for text in lines[start + 1 : end] if text.strip())
        joined = sum(text.count("\0") for text in lines[:start])
        yield Command(line + start + joined, lines[start].removeprefix("$ ").replace("\\\0", ""), shown)


def clean(shown: str) -> list[str]:
    """The lines of a terminal's output, without its control sequences.

    Every redrawing of a line is a line; one that looks as before is left out.
    """
    text = _CONTROL.sub("", shown).replace("\r", "\n")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return [line for line, before in zip(lines, ["", *lines], strict=False) if line != before]


@dataclass
class Learnt:
    """What in this run stands for the values of the page, and the other way round."""

    real: dict[str, str] = field(default_factory=dict)
    page: dict[str, str] = field(default_factory=dict)

    def add(self, on_page: str, real: str) -> bool:
        """Note that one stands for the other; whether that agrees with all before."""
        return self.real.setdefault(on_page, real) == real and self.page.setdefault(real, on_page) == on_page

    def translate(self, text: str) -> str:
        """The page's values replaced by the real ones, longest first."""
        for on_page in sorted(self.real, key=len, reverse=True):
            text = text.replace(on_page, self.real[on_page])
        return text

    def matches(self, expected: str, got: str) -> bool:
        """Whether a line of the page is that line of the output, but for what varies; learns what varies."""
        ours, theirs = list(_VARIES.finditer(expected)), list(_VARIES.finditer(got))
        if _skeleton(expected) != _skeleton(got):
            return False
        before = Learnt(dict(self.real), dict(self.page))
        for one, other in zip(ours, theirs, strict=True):
            if one.lastgroup in _LASTING and not self.add(one[0], other[0]):
                self.real, self.page = before.real, before.page
                return False
        return True


def _skeleton(line: str) -> str:
    return " ".join(_VARIES.sub(lambda match: f"<{match.lastgroup}>", line).split())


def compare(shown: tuple[str, ...], got: list[str], learnt: Learnt) -> str:
    """Why the output is not what the page shows; empty when it is. "…" stands for any lines, or none."""
    place, skipping = 0, False
    for line in shown:
        if line.strip() == ELLIPSIS:
            skipping = True
            continue
        found = next((n for n in range(place, len(got)) if learnt.matches(line, got[n])), None)
        if found is None or (found != place and not skipping):
            return f"the page shows a line that is not in the output there:\n{line}"
        place, skipping = found + 1, False
    return "" if skipping or place == len(got) else f"the page does not show:\n{got[place]}"


@dataclass
class Reader:
    """Types the commands of pages, in the folder of a stage; ``secrets`` answers prompts (pattern → answer)."""

    stage: Stage
    answers: Mapping[str, Callable[[re.Match[str]], str]]
    replacements: Mapping[str, str]
    learnt: Learnt = field(default_factory=Learnt)
    kills: Iterator[int] = field(default_factory=lambda: iter(()))
    before: Callable[[str], None] = lambda command: None

    def read(self, page: str) -> int:
        """Do everything a page says, and compare; how many commands were run."""
        count = 0
        for step in steps(page):
            if isinstance(step, Written):
                (self.stage.folder / step.name).write_text(self._real(step.text), encoding="utf-8")
                continue
            self._check(step)
            count += 1
        return count

    def _check(self, command: Command) -> None:
        text = self._real(command.text)
        self.before(text)
        code, output = self.type(text, kill=next(self.kills) if command.killed else 0)
        got = [self._paper(line) for line in clean(output)] + (["Killed"] if code == -signal.SIGKILL else [])
        told = f"line {command.line}: $ {command.text}\nended with {code}:\n" + "\n".join(got)
        assert (code != 0) == (command.fails or command.killed), told
        if command.shown:
            why = compare(command.shown, got, self.learnt)
            assert not why, f"{why}\n\n{told}"

    def _real(self, text: str) -> str:
        for on_page, real in self.replacements.items():
            text = text.replace(on_page, real)
        return self.learnt.translate(text)

    def _paper(self, text: str) -> str:
        for on_page, real in self.replacements.items():
            text = text.replace(real, on_page)
        return text

    def type(self, text: str, kill: int = 0) -> tuple[int, str]:
        """One command at a terminal; its exit code (negative: a signal) and everything the terminal showed.

        ``kill``: the line of its journal after which it is killed.
        """
        controller, terminal = pty.openpty()
        run = self._keyceremony if re.match(r"keyceremony [^<>|]*$", text) else self._shell
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(run, text, os.ttyname(terminal), kill)
            try:
                shown = self._converse(controller, text, running)
                return running.result(), shown
            finally:  # hanging up ends whoever still waits for an answer
                os.close(controller)
                os.close(terminal)

    def _keyceremony(self, text: str, terminal: str, kill: int) -> int:
        """Without starting Python anew, which would take twice as long as the command."""
        _, *arguments = shlex.split(text)
        answer = SERVER.ask(
            args=arguments,
            env=self._environment(),
            cwd=str(self.stage.folder),
            fault=None,
            kill=[kill, "after"] if kill else None,
            terminal=terminal,
        )
        return int(answer["code"])

    def _shell(self, text: str, terminal: str, kill: int) -> int:
        assert not kill
        command = [sys.executable, "-c", _ON_TERMINAL, terminal, "/bin/sh", "-c", text]
        return subprocess.run(
            command, env=self._environment(), cwd=self.stage.folder, start_new_session=True, check=False
        ).returncode

    def _environment(self) -> dict[str, str]:
        path = f"{self.stage.folder / 'tools'}:{os.environ['PATH']}"
        return {**self.stage.env, "TERM": "xterm", "PATH": path, "LC_ALL": "C.UTF-8"}

    def _converse(self, controller: int, command: str, running: Future[int]) -> str:
        shown, answered = b"", 0
        deadline = time.monotonic() + SECONDS
        while True:
            assert time.monotonic() < deadline, f"$ {command}\ndoes not end:\n{shown.decode(errors='replace')}"
            ended = running.done()
            if select.select([controller], [], [], 0.02)[0]:
                shown += os.read(controller, 65536)
            elif ended:
                return shown.decode(errors="replace")
            answer = self._answer(controller, shown[answered:].decode(errors="ignore"))
            if answer is not None:
                os.write(controller, answer.encode() + b"\n")
                answered = len(shown)

    def _answer(self, controller: int, waiting: str) -> str | None:
        """What is to be typed now; secrets only once the echo is off, which also drops what was typed before."""
        echoes = bool(termios.tcgetattr(controller)[3] & termios.ECHO)
        for prompt, answer in self.answers.items():
            match = re.search(prompt, waiting)
            if match:
                return None if echoes and SECRET.search(match[0]) else answer(match)
        return None


_PROGRAM = """#!{python}
import sys
sys.path[:0] = [{project!r}]
from {package}.cli import main
main()
"""
_SYSTEMCTL = """#!/bin/sh
# A stand-in for systemd, with one service.
set -eu
case "$1" in
stop|restart)
    if test -e daemon.pid; then
        kill "$(cat daemon.pid)"
        while kill -0 "$(cat daemon.pid)" 2>/dev/null; do sleep 0.05; done
        rm daemon.pid
    fi ;;
esac
case "$1" in
start|restart)
    : > daemon.log
    setsid appliance serve --config kagimori.toml </dev/null >>daemon.log 2>&1 &
    echo $! > daemon.pid
    pattern=' ready ' ;;
reload)
    kill -HUP "$(cat daemon.pid)"
    pattern='ledger loaded' ;;
stop)
    exit 0 ;;
esac
for _ in $(seq 400); do
    if grep -q "$pattern" daemon.log; then
        : > daemon.log
        exit 0
    fi
    sleep 0.05
done
cat daemon.log >&2
exit 1
"""


def lay_out_tools(folder: Path) -> None:
    """The programs that a page uses, under the names it uses."""
    tools = folder / "tools"
    tools.mkdir()
    programs = {
        name: _PROGRAM.format(python=sys.executable, project=str(PROJECT), package=name)
        for name in ("keyceremony", "appliance")
    }
    for name, text in {**programs, "systemctl": _SYSTEMCTL}.items():
        program = tools / name
        program.write_text(text)
        program.chmod(0o755)
    for name in ("PKCS11_TOOL", "OPENSSL", "SOFTHSM2_UTIL"):
        real = softhsm()[f"KAGIMORI_{name}"]
        (tools / real.name).symlink_to(real)
