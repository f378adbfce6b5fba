"""The pages with everything behind them: a real daemon, a witness, the portal and the desk as processes, cards.

One for each test process. Its people have conversions that are co-signed, and newer ones that are not yet.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from appliance.ledger import servicekeys
from appliance.ledger.policy import LogRules
from appliance.oversight.witness import keys
from appliance.tlog import checkpoint
from keyceremony.plans import setup_file
from tests.daemonkit import Daemon, codes, wait_for
from tests.portal import cardkit
from tests.watchkit import signed_checkpoint
from tests.world import World, build_world, default_policy

WITNESS = "oversight.example/browser"
PURPOSE = "benefit-check"
NAMES = {
    "hanako": "番号 花子",
    "long": "寿限無寿限無五劫の擦り切れ海砂利水魚の水行末雲来末風来末食う寝る処に住む処" * 4,
    "script": '<script>document.title="taken"</script> & "山田" <b>太郎</b>',
}
RESIDENTS = dict(zip(NAMES, codes(3, 41), strict=True))
HOSTILE_TITLE = "鍵の更新 <img src=x onerror=alert(1)>"  # a plan's, on the desk


class Server:
    """``appliance NAME serve``, from start to stop."""

    def __init__(self, name: str, config: Path, env: dict[str, str]) -> None:
        self._command = [sys.executable, "-m", "appliance.cli", name, "serve", "--config", str(config)]
        self._env = env
        self._log = config.with_suffix(".log")

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, env=self._env, stdout=log, stderr=log)
        wait_for(lambda: "listening on" in self.log or self._process.poll() is not None, 30)
        assert self._process.poll() is None, self.log
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(30)


@dataclass
class Site:
    """All of it, running. ``portal`` and ``desk`` are addresses; ``holders`` are the common numbers by name."""

    world: World
    daemon: Daemon
    cards: cardkit.CardWorld
    portal: str = ""
    desk: str = ""
    servers: dict[str, Server] = field(default_factory=dict)

    def number(self, who: str) -> str:
        """Somebody's common number."""
        (number,) = self.daemon.numbers("resident", "common", [RESIDENTS[who]], role="numbering")
        return number

    def at_desk(self, path: str) -> str:
        """A page of the desk, with the key that it asks for."""
        key = (self.world.folder.parent / "desk.key").read_text("ascii").strip()
        return f"{self.desk.replace('://', f'://desk:{key}@')}{path}"

    def convert(self, who: str, purpose: str = PURPOSE, *, source: str = "sspin.B", target: str = "sspin.E") -> int:
        """Sector ``source`` asks for somebody; the record's number."""
        (number,) = self.daemon.numbers("resident", source, [RESIDENTS[who]], role="numbering")
        reply = self.daemon.convert(source, target, [number], purpose=purpose, reference="file-2026-41")
        assert reply.status == 200, reply
        return int(reply.json["record"])

    def cosign(self, *more: str) -> None:
        """The oversight body verifies the log and co-signs it, all that is in it now."""
        signed_checkpoint(self.daemon, len(self.daemon.records()))  # signed within a second; it co-signs the newest
        given = ["--keys", self.world.folder / "witness", "--state", self.world.folder / "witness-state"]
        given += ["--anchor", self.world.anchor, "--socket", self.world.socket("oversight"), *more]
        self._run("oversight", "witness", *given)

    def _run(self, *words: str | Path) -> str:
        command = [sys.executable, "-m", "appliance.cli", *map(str, words)]
        done = subprocess.run(command, env=self.world.env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def draft(self) -> Path:
        """A plan that waits for approvals."""
        plan = self.world.ledger / "pending" / f"{self.world.state().sequence + 1:06}.plan.json"
        said = self.world.keyceremony(
            "plan", "rotate", "sspin.E", "--title", HOSTILE_TITLE, "--config", str(self.world.config)
        )
        assert said.returncode == 0, said.stderr
        assert plan.exists(), said.stdout
        return plan


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    """The site, made in a folder and ended with the block."""
    world = _world(folder / "w")
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(world))
        site = Site(world, daemon, cardkit.build(folder / "cards"))
        _register(site)
        for who in NAMES:
            for _ in range(2):
                site.convert(who)
        site.cosign("--begin")
        for who in NAMES:
            site.convert(who, "tax-assessment", source="sspin.A", target="sspin.F")
        for name, configure in (("portal", _portal), ("desk", _desk)):
            config = folder / f"{name}.toml"
            origin = f"http://127.0.0.1:{free_port()}"
            config.write_text(configure(site, origin), encoding="utf-8")
            config.chmod(0o600)
            setattr(site, name, origin)
            site.servers[name] = stack.enter_context(Server(name, config, world.env))
        yield site


def _world(folder: Path) -> World:
    made = keys.make(folder.parent / "witness", WITNESS, None)
    specs = setup_file.default_specs()
    policy = replace(default_policy(specs), log=LogRules(witnesses=tuple(map(str, made.vkeys))))
    chosen = ("common", "spin", "sspin.A", "sspin.B", "sspin.E", "sspin.F")
    world = build_world(folder, domains=specs, policy=policy, keys=chosen)
    (folder.parent / "witness").rename(folder / "witness")
    return world


def _register(site: Site) -> None:
    """A card for each name."""
    for who, name in NAMES.items():
        site.cards.register(site.cards.issue(who, "ec").certificate, site.number(who), name)
    site.cards.refresh()


def _portal(site: Site, origin: str) -> str:
    log_keys, witnesses = _keys(site)
    cards = site.cards
    return f"""[listen]
origin = "{origin}"
host = "127.0.0.1"
port = {origin.rpartition(":")[2]}

[appliance]
socket = "{site.world.socket("portal")}"

[log]
keys = {log_keys}
witnesses = {witnesses}

[cards]
authorities = ["{cards.authority_path}"]
crls = ["{cards.crl_path}"]
holders = "{cards.holders_path}"

[files]
journal = "sign-ins.jsonl"
marks = "marks.sqlite"

[page]
contact = {{ ja = "情報連携相談窓口 0120-000-000（平日）", en = "Linkage helpdesk, 0120-000-000 (weekdays)" }}
"""


def _keys(site: Site) -> tuple[str, str]:
    """The verifier keys of log and witness, as TOML."""
    origin = f"kagimori/log/{site.world.anchor[:16]}/main"
    log = [str(checkpoint.key(origin, raw)) for raw in servicekeys.log_keys(site.world.state()).values()]
    witnesses = (site.world.folder / "witness" / "vkeys").read_text("utf-8").split()
    return json.dumps(log), json.dumps(witnesses)


def _desk(site: Site, origin: str) -> str:
    return f"""[listen]
origin = "{origin}"
host = "127.0.0.1"
port = {origin.rpartition(":")[2]}

[log]
socket = "{site.world.socket("oversight")}"
trust_anchor = "{site.world.anchor}"
directory = "desk"
every_seconds = 1

[ceremony]
config = "{site.world.config}"
people = ["oversight-1"]

[access]
key_file = "desk.key"
"""
