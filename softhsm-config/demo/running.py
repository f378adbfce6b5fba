"""Starts the project's own command lines and other tools; what they say goes into the demo's log."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from layout import APPLIANCE, PROJECT, DemoError, Layout


def command_line(name: str) -> list[str]:
    """How to start ``keyceremony`` or ``appliance``: the installed command, else the module itself."""
    installed = Path(sys.executable).with_name(name)
    return [str(installed)] if installed.exists() else [sys.executable, "-m", f"{name}.cli"]


def shown(name: str) -> str:
    """The command as a person would type it from the project's folder."""
    installed = Path(sys.executable).with_name(name)
    if not installed.exists():
        return shlex.join(command_line(name))
    return str(installed.relative_to(PROJECT) if installed.is_relative_to(PROJECT) else installed)


class Runner:
    """Runs commands with the demo's own environment."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def __call__(self, name: str, *arguments: str | Path, token: str = APPLIANCE, codes: Sequence[int] = (0,)) -> str:
        """Run ``keyceremony …`` or ``appliance …`` to its end, where that token is plugged in; its standard output.

        Raises:
            DemoError: it ended with none of these codes; names the command, its last words and the log.
        """
        command = [*command_line(name), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=self._layout.environment(token),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.note(command, done.returncode, done.stdout + done.stderr)
        if done.returncode not in codes:
            raise self.failure(f"{name} {arguments[0]}", done.stderr or done.stdout)
        return done.stdout

    def both_hands(self, *jobs: Callable[[], object]) -> None:
        """Run independent jobs, two at a time; the first failure is raised."""
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(job) for job in jobs]:
                future.result()

    def note(self, command: Sequence[str], code: int, said: str) -> None:
        """Write a command and what it said into the log. No command here has a secret in it."""
        with self._layout.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(command)}\n{said.rstrip()}\n[exit code {code}]\n\n")

    def failure(self, what: str, said: str) -> DemoError:
        """The error for a command that failed."""
        words = [line.strip() for line in said.splitlines() if line.strip()]
        first = next((line for line in words if "error" in line.lower()), words[-1] if words else "it said nothing")
        return DemoError(f"{what} failed: {first}", f"everything it said is in {self._layout.log}")
