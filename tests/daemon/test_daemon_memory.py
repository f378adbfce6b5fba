"""What the daemon's memory, log and files hold: no number that no caller sent or received."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemonkit import READABLE, Daemon, codes, copy_world
from tests.watchkit import history, make_order, text, watched_world
from tests.world import World

PEOPLE = 40


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return watched_world(tmp_path_factory.mktemp("memory") / "w")


def numbers_of(world: World) -> dict[str, list[str]]:
    """The people's numbers in every domain, found out with a daemon of its own under an order."""
    with Daemon(world) as daemon:
        people = codes(PEOPLE, 9_000_000)
        known = {"resident": people}
        for target in ("common", "sspin.A", "sspin.B"):
            known[target] = daemon.numbers("resident", target, people, role="numbering")
        order = make_order(world, target="spin", most=PEOPLE)
        terms = {"role": "court", "purpose": "court-order", "order": text(order)}
        reply = daemon.convert("sspin.A", "spin", known["sspin.A"], **terms)
        known["spin"] = [result["number"] for result in reply.json["results"]]
        assert daemon.stop() == 0
    return known


def memory(pid: int) -> Iterator[bytes]:
    """Every readable mapping of a process, but the kernel's own."""
    with Path(f"/proc/{pid}/maps").open("r", encoding="utf-8") as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as mem:
        for line in maps:
            bounds, rights = line.split()[:2]
            if rights.startswith("r") and "[v" not in line:
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                mem.seek(start)
                with_holes = bytearray()
                while len(with_holes) < end - start:
                    try:
                        part = mem.read(end - start - len(with_holes))
                    except OSError:
                        break
                    if not part:
                        break
                    with_holes += part
                yield bytes(with_holes)


def found(haystack: bytes, needles: list[str]) -> list[str]:
    pattern = re.compile(b"|".join(re.escape(needle.encode()) for needle in needles))
    return sorted({match.decode() for match in pattern.findall(haystack)})


def test_no_number_that_no_caller_sent_or_received(template: World, tmp_path: Path) -> None:
    known = numbers_of(copy_world(template, tmp_path / "other"))
    world = copy_world(template, tmp_path / "w")
    with Daemon(world, program=READABLE) as daemon:
        assert daemon.numbers("sspin.A", "sspin.B", known["sspin.A"]) == known["sspin.B"]
        lines = "".join(f"{number}\n" for number in known["sspin.A"])
        assert daemon.stream("sspin.A", "sspin.B", lines.encode()).status == 200
        for number in known["sspin.A"][:10]:
            assert len(history(daemon, "sspin.A", number).json["conversions"]) == 2
        seen = b"\0".join(memory(daemon.pid))
        assert len(seen) > 20_000_000, "the memory was read"
        assert found(seen, known["sspin.A"]), "what callers sent can be there, so the search works"
        for domain in ("resident", "common", "spin"):
            assert found(seen, known[domain]) == [], domain
        assert b"kg/tag/1" not in seen, "the block that a subject tag is made of"
        assert daemon.stop() == 0
        written = daemon.log.encode() + b"".join(_files(world.audit_directory, world.state_directory))
    for domain, numbers in known.items():
        assert found(written, numbers) == [], domain


def _files(*folders: Path) -> Iterator[bytes]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                assert os.access(path, os.R_OK)
                yield path.read_bytes()
