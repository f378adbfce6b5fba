"""The examples of docs/hub-guide.md (Python, and the legal basis) run as they stand against a real daemon."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.hubkit import Client
from appliance.hubkit import register as register_files
from appliance.hubkit.linking import link
from appliance.hubkit.register import FourAttributes, Resident
from appliance.hubkit.sector import Sector
from appliance.ledger import servicekeys
from appliance.tlog import checkpoint
from tests.world import PROJECT, World, build_world

BLOCK = re.compile(r"^```(python|toml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    one = build_world(tmp_path_factory.mktemp("g"))
    command = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(one.config)]
    log = one.folder / "daemon.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=one.env, cwd=PROJECT, stdout=out, stderr=out)
    until = time.monotonic() + 30
    with Client(one.hub_socket) as client:
        while not client.ready():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
    yield one
    process.terminate()
    assert process.wait(20) == 0


def test_the_examples_of_the_guide(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").symlink_to(world.folder / "run")
    person = FourAttributes("山田 太郎", "桜台市緑ケ丘1丁目", "1970-01-31", "男")
    other = FourAttributes("佐藤 花子", "桜台市緑ケ丘2丁目", "1985-05-05", "女")
    register_files.write(Path("register.csv"), [Resident("01234567890", person), Resident("98765432101", other)])
    with Sector("E", Path("E.sqlite")) as e, Client("run/numbering.sock") as numbering:
        e.enter([("99", person)])
        e.keep("income", [("99", "3,000,000 yen")])
        residents = register_files.read(Path("register.csv"))
        e.store(link(numbering, residents, list(e.requests()), "sspin.E", purpose="linking", reference="r"))
    state, origin = world.state(), f"kagimori/log/{world.anchor[:16]}/main"
    keys = [str(checkpoint.key(origin, raw)) for raw in servicekeys.log_keys(state).values()]
    Path("log-keys").write_text("\n".join(keys), encoding="utf-8")
    blocks = BLOCK.findall((PROJECT / "docs" / "hub-guide.md").read_text(encoding="utf-8"))
    (law,) = [text for kind, text in blocks if kind == "toml"]
    Path("legal-basis.toml").write_text(law, encoding="utf-8")
    python = [text for kind, text in blocks if kind == "python"]
    assert len(python) == 5
    exec("\n".join(python), {"__name__": "guide"})
    assert capsys.readouterr().out.splitlines() == [
        "not converted: unknown_number",
        "not converted: unknown_number",
        "1000 {'unknown_number'} sspin.E.1",
        "2 linked; [] for inquiry; by key sspin.B.1",
        "3,000,000 yen",
        "awaiting_linking ['3,000,000 yen', 'unknown_to_holder']",
        "['case-2'] waiting for linking",
        "['case-2'] can be answered now",
        "answered ['handed_out_before', '1,000,000 yen']",
        "answered",
        "numbering resident → common.1 for numbering",
        *["hub sspin.E.1 → sspin.B.1 for benefit-check", "hub sspin.B.1 → sspin.E.1 for benefit-check"] * 2,
        "numbering resident → sspin.B.1 for linking",
        "numbering resident → sspin.E.1 for linking",
    ]
    told = Path("journal.jsonl").read_bytes()
    assert b"case-2" in told
    assert not any(text.encode() in told for text in ("yen", "山田", "佐藤", *_numbers_in("B"), *_numbers_in("E")))


def _numbers_in(letter: str) -> list[str]:
    with Sector(letter, Path(f"{letter}.sqlite")) as sector:
        pairs = list(sector.links())
    assert len(pairs) == 2
    return [number for _, number in pairs]
