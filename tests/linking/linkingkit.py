"""People, files and runs for tests of linking: both parties' real commands, and a register of invented residents."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from appliance import cli
from appliance.hubkit import register as register_files
from appliance.hubkit.linking import LinkRequest
from appliance.hubkit.register import FourAttributes, Resident
from appliance.linking import request
from appliance.linking.files import NewFile
from tests.world import PROJECT

HEADER = "existing,name,address,birth_date,sex\n"
SAMPLE = "135792468"
_SURNAMES = (
    "佐藤",
    "鈴木",
    "高橋",
    "田中",
    "伊藤",
    "渡辺",
    "山本",
    "中村",
    "小林",
    "加藤",
    "吉田",
    "山田",
    "佐々木",
    "林",
)
_GIVEN = ("太郎", "花子", "次郎", "桜", "健一", "美咲", "三郎", "葵", "四郎", "結衣", "五郎", "陽菜", "誠", "恵子")


def residents(count: int, seed: int = 5) -> list[Resident]:
    """Residents no two of whom are alike; the first has the scheme's sample code."""
    rng = random.Random(seed)
    codes = ["01234567890", *{f"{rng.randrange(10**11):011d}": None for _ in range(count * 2)}][:count]
    names = [f"{surname} {given}" for surname in _SURNAMES for given in _GIVEN]
    born = [f"{rng.randrange(1930, 2020)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}" for _ in codes]
    return [
        Resident(
            code,
            FourAttributes(
                names[place % len(names)],
                f"東京都桜台市緑ケ丘{1 + place % 7}丁目{1 + place // 7}番{1 + place % 20}号",
                born[place],
                "女" if "子" in names[place % len(names)] else "男",
            ),
        )
        for place, code in enumerate(codes)
    ]


def existing(place: int) -> str:
    """The sector's own number of the resident at a place of the register."""
    return SAMPLE if place == 0 else f"{200_000_000 + place * 7_919}"


def people_csv(path: Path, people: Iterable[tuple[str, FourAttributes]]) -> Path:
    """A sector's file of people, as another system would write it."""
    rows = (f"{one},{known.name},{known.address},{known.birth_date},{known.sex}\n" for one, known in people)
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def register_csv(path: Path, people: Iterable[Resident]) -> Path:
    """The register's file."""
    register_files.write(path, people)
    return path


def a_request(path: Path, people: Sequence[LinkRequest], sector: str = "C", reference: str = "r-1") -> str:
    """A request file; its SHA-256."""
    header = request.Header(
        format=request.FORMAT, sector=sector, reference=reference, created="2026-04-01T09:00:00Z", count=len(people)
    )
    with NewFile(path) as file:
        digest = request.write(file, header, people)
        file.publish()
    return digest


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*command: object, typed: str = "") -> Done:
    """Run ``appliance …`` in this process, with what a person types."""
    before = sys.stdin
    sys.stdin = io.StringIO(typed)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = cli.run([str(word) for word in command])
    finally:
        sys.stdin = before
    return Done(code, out.getvalue(), err.getvalue())


def well(*command: object, typed: str = "") -> Done:
    """The same, and it must end well and say nothing on stderr but what it asks."""
    done = run(*command, typed=typed)
    assert done.code == 0, done
    assert typed or done.err == "", done
    return done


_STRUCK = """
import os, signal
from {module} import {owner}
whole, left = {owner}.{method}, {calls}
def struck(*arguments, **named):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.{number.name})
    return whole(*arguments, **named)
{owner}.{method} = struck
from appliance.cli import main
main()
"""


def struck(number: signal.Signals, method: Callable[..., Any], calls: int, *command: object) -> Done:
    """Run ``appliance …`` in a process that gets a signal when a method is called more than ``calls`` times."""
    owner, name = method.__qualname__.split(".")
    program = _STRUCK.format(number=number, module=method.__module__, owner=owner, method=name, calls=calls)
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    words = [sys.executable, "-c", program, *(str(word) for word in command)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)
    return Done(done.returncode, done.stdout, done.stderr)


def commands(group: click.Command) -> list[str]:
    """The names of a group's commands."""
    assert isinstance(group, click.Group)
    return sorted(group.commands)
