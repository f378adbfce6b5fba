"""A citizen before a real portal: daemon, witness, cards and portal as processes, and a browser that keeps cookies."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from appliance.ledger import servicekeys
from appliance.ledger.policy import LogRules
from appliance.portal.signin.holders import write_holders
from appliance.tlog import checkpoint as checkpoints
from tests.daemonkit import Daemon, wait_for
from tests.portal.cardkit import CardWorld, SoftCard, build
from tests.watchkit import Witness, signed_checkpoint, watched_world
from tests.web.pagekit import Browser, Page, free_port, toml
from tests.world import World

RESIDENTS = {"rsa": "00000000042", "ec": "00000000043"}
NAMES = {"rsa": "佐藤 <script>alert(1)</script> 花子", "ec": "鈴木 一郎"}


class Citizen(Browser):
    """Somebody with a browser and a card."""

    def sign_in(self, card: SoftCard) -> Page:
        """Answer a new challenge."""
        return self.answer(card.answer(self.get("/sign-in").pre("challenge")))

    def answer(self, text: str) -> Page:
        """Send an answer from the page with the challenge."""
        return self.post("/sign-in", {"answer": text})


@dataclass
class Scene:
    """A world with its witness and its cards.

    ``numbers``: the common number of each card's holder; ``records``: of their conversions, in order.
    """

    world: World
    witness: Witness
    cards: CardWorld
    numbers: dict[str, str] = field(default_factory=dict)
    records: dict[str, list[int]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.cards.folder

    @property
    def log_keys(self) -> list[str]:
        origin = f"kagimori/log/{self.world.anchor[:16]}/main"
        return [str(checkpoints.key(origin, raw)) for raw in servicekeys.log_keys(self.world.state()).values()]

    def register(self, daemon: Daemon) -> None:
        """Give the holders their real numbers."""
        for name, code in RESIDENTS.items():
            self.numbers[name] = self._convert(daemon, name, "numbering", "resident", "common", code)
            self.cards.register(self.cards.cards[name].certificate, self.numbers[name], NAMES[name])
        write_holders(self.cards.holders_path, self.cards.rows.items())

    def exchange(self, daemon: Daemon, name: str = "rsa", reference: str = "case-1", times: int = 1) -> list[int]:
        """The numbering authority links the person's number of A, the hub converts it to B; the person's records."""
        a = self._convert(daemon, name, "numbering", "resident", "sspin.A", RESIDENTS[name])
        for _ in range(times):
            self._convert(daemon, name, "hub", "sspin.A", "sspin.B", a, reference=reference)
        return self.records[name]

    def _convert(self, daemon: Daemon, name: str, role: str, source: str, target: str, one: str, **more: str) -> str:
        reply = daemon.convert(source, target, [one], role=role, **more)
        assert reply.status == 200, reply
        self.records.setdefault(name, []).append(reply.json["record"])
        return str(reply.json["results"][0]["number"])

    def cosign(self, daemon: Daemon) -> int:
        """The witness co-signs what is there; the number of records."""
        signed, body = signed_checkpoint(daemon, len(daemon.records()))
        reply = daemon.ask("oversight", "POST", "/v1/log/cosignatures", self.witness.cosigned(body))
        assert reply.status == 200, reply
        return signed.size

    def settings(self, port: int, **changes: Any) -> dict[str, Any]:
        whole: dict[str, Any] = {
            "listen": {"origin": f"http://localhost:{port}", "host": "127.0.0.1", "port": port},
            "appliance": {"socket": str(self.world.socket("portal"))},
            "log": {"keys": self.log_keys, "witnesses": list(self.witness.vkeys)},
            "cards": {
                "authorities": [str(self.cards.authority_path)],
                "crls": [str(self.cards.crl_path)],
                "holders": str(self.cards.holders_path),
            },
            "files": {"journal": "sign-ins.jsonl", "marks": "marks.sqlite"},
            "page": {"contact": {"ja": "監視機関 電話 000-0000", "en": "oversight body, phone 000-0000"}},
            "purposes": {"court": {"ja": "裁判", "en": "court"}},
        }
        for table, values in changes.items():
            whole[table] = {**whole.get(table, {}), **values}
        return whole


def scene(folder: Path) -> Scene:
    """A world whose policy knows a witness, and cards."""
    witness = Witness()
    world = watched_world(folder / "w", LogRules(witnesses=witness.vkeys))
    return Scene(world, witness, build(folder / "cards"))


class PortalProcess:
    """``appliance portal serve`` in a process of its own; a context manager."""

    def __init__(self, of: Scene, name: str = "portal", **changes: Any) -> None:
        self.port = free_port()
        self.settings = of.settings(self.port, **changes)
        self.folder = of.folder
        self.path = of.folder / f"{name}.toml"
        self.path.write_text(toml(self.settings), encoding="utf-8")
        self._log = of.folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        return str(self.settings["listen"]["origin"])

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    @property
    def journal(self) -> list[dict[str, Any]]:
        path = self.folder / self.settings["files"]["journal"]
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def citizen(self, language: str = "ja") -> Citizen:
        return Citizen(self.origin, self.port, language)

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "appliance.cli", "portal", "serve", "--config", str(self.path)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        process = self.process
        wait_for(lambda: " listening " in self.log or process.poll() is not None, 60)
        assert process.poll() is None, self.log
        return self

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            finally:
                self.process.kill()
                self.process.wait()
