"""The demo for tests: run, served and looked into as a person would, in a folder of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

from tests.world import PROJECT

RESIDENTS, EXCHANGES = 400, 40
LOOK = """
import json, os, re, runpy, sqlite3, sys
from pathlib import Path
sys.path[:0] = [{demo!r}, {project!r}]
import watching
from appliance import configuration
from appliance.engine.converter import Converter
from appliance.hubkit import register
from appliance.ledger import chain, files
from appliance.numbers.domains import Generation
from appliance.token.token import Token
from tests.daemon.test_daemon_memory import memory

export = watching.Watching.export

def numbers(layout):
    os.environ["SOFTHSM2_CONF"] = str(layout.softhsm_conf("appliance"))
    config = configuration.load(layout.config)
    state = chain.verify(files.read(config.ledger.directory), config.ledger.trust_anchor)
    codes = "".join(one.code + "\\n" for one in register.read(layout.register)).encode()
    pin = configuration.read_pin(config.token.pin_path)
    with Token.open(config.token.module, label=config.token.label, serial=state.token_serial, pin=pin) as token:
        turned = {{"sspin.E": 2}}
        converter = Converter(state, lambda key: token.encrypt_blocks(key.key_id, key.check_value))
        return {{
            name: converter.convert_lines(None, Generation(name, turned.get(name, 1)), codes).text.decode().split()
            for name in ("spin", *("sspin." + letter for letter in "ABCDEF"))
        }}

def known(layout, letter):
    numbers = set()
    for path, statement in (
        (layout.sector(letter), "SELECT number FROM link"),
        (layout.book(letter), "SELECT number FROM asked_about UNION SELECT number FROM received_about"),
    ):
        with sqlite3.connect(path) as database:
            numbers |= {{number for (number,) in database.execute(statement)}}
    return numbers

def windows(data):
    found = set()
    for run in re.findall(rb"[0-9A-Z]{{11,}}", data):
        found.update(run[start : start + 11].decode() for start in range(len(run) - 10))
    return found

def looking(self):
    export(self)
    layout = self._layout
    try:
        seen = set().union(*map(windows, memory(int((layout.home / "daemon.pid").read_text()))))
    except PermissionError:  # a daemon's memory is closed to its own user
        seen = None
    written = windows(layout.daemon_log.read_bytes() + layout.log.read_bytes() + layout.hub_journal.read_bytes())
    for folder in (layout.home / "audit", layout.home / "state", layout.copy, layout.web / "desk"):
        written.update(*(windows(path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()))
    told = {{}}
    for name, listed in numbers(layout).items():
        sent = set() if name == "spin" else known(layout, name[-1])
        quiet = set(listed) - sent
        known_there = [None, None] if seen is None else [len(quiet & seen), len(seen.intersection(listed))]
        told[name] = [len(quiet), *known_there, len(written.intersection(listed))]
    Path({out!r}).write_text(json.dumps(told))

watching.Watching.export = looking
sys.argv = ["demo", *{arguments!r}]
runpy.run_path({demo!r}, run_name="__main__")
"""
"""What the daemon of a demo has in memory and files, looked at before it is stopped."""


class Demo:
    """A demo's folder, and how to start it there."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home

    @property
    def summary(self) -> dict[str, object]:
        return json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    @property
    def config(self) -> Path:
        return self.folder / "appliance" / "kagimori.toml"

    @property
    def ledger(self) -> Path:
        return self.folder / "appliance" / "ledger"

    @property
    def environment(self) -> dict[str, str]:
        plain = {
            name: value for name, value in os.environ.items() if not name.startswith(("SOFTHSM", "XDG", "KAGIMORI"))
        }
        return {**plain, "PYTHONPATH": str(PROJECT), "HOME": str(self.home)}

    def command(self, *arguments: str) -> list[str]:
        size = ["--residents", str(RESIDENTS), "--exchanges", str(EXCHANGES)]
        return [
            sys.executable,
            str(PROJECT / "softhsm-config" / "demo"),
            "--folder",
            str(self.folder),
            *size,
            *arguments,
        ]

    def run(
        self, *, largest_file: int = resource.RLIM_INFINITY, command: list[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command or self.command(),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file)),
        )

    def run_and_look(self, out: Path) -> subprocess.CompletedProcess[str]:
        """As `run`; what `LOOK` finds goes to a file."""
        folder = PROJECT / "softhsm-config" / "demo"
        script = LOOK.format(demo=str(folder), project=str(PROJECT), out=str(out), arguments=self.command()[2:])
        return self.run(command=[sys.executable, "-c", script])

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """``demo serve`` until the block ends; it is ready."""
        said = self.home / "serve.out"
        with said.open("wb") as out:
            process = subprocess.Popen(self.command("serve"), env=self.environment, stdout=out, stderr=out)
        try:
            until = time.monotonic() + 120
            while " INFO ready " not in said.read_text(encoding="utf-8"):
                assert process.poll() is None, said.read_text(encoding="utf-8")
                assert time.monotonic() < until, said.read_text(encoding="utf-8")
                time.sleep(0.05)
            yield process
        finally:
            said.unlink()
            process.kill()
            process.wait()
            for pid in processes_with(self.config):
                os.kill(pid, signal.SIGKILL)

    @contextmanager
    def portal(self) -> Iterator[str]:
        """``demo portal`` until the block ends; what it said when it was ready."""
        said = self.home / "portal.out"
        with said.open("wb") as out:
            process = subprocess.Popen(self.command("portal"), env=self.environment, stdout=out, stderr=out)
        try:
            until = time.monotonic() + 240
            while "Serving until Ctrl-C" not in said.read_text(encoding="utf-8"):
                assert process.poll() is None, said.read_text(encoding="utf-8")
                assert time.monotonic() < until, said.read_text(encoding="utf-8")
                time.sleep(0.05)
            yield said.read_text(encoding="utf-8")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            said.unlink()
            process.kill()
            process.wait()
            for pid in processes_with(self.config):
                os.kill(pid, signal.SIGKILL)


def browsing() -> ModuleType:
    """The demo's own small browser."""
    return of_the_demo("browsing")


@cache
def of_the_demo(name: str) -> ModuleType:
    """A module of the demo, which is no package."""
    path = PROJECT / "softhsm-config" / "demo" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"demo_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def processes_with(config: Path) -> list[int]:
    """Daemons (not their engines) that run this configuration."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(config) in arguments and b"serve" in arguments:
            found.append(int(path.parent.name))
    return found
