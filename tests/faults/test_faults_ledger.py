"""A ledger that somebody tampered with: `keyceremony verify` and the engine's own start refuse it, and say why.

The ledger is a real one (token, ceremonies); every byte of every file is tried elsewhere, in memory
(`tests/ledger/test_ledger_every_byte.py`). Here each *kind* of tampering meets the real programs.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from appliance.engine import envelope, frames
from appliance.ledger import canonical, chain, cms
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person, encode_certificate
from keyceremony.people.enroll import _self_signed
from keyceremony.people.signers import PemSigner, public_key_info
from tests.world import PROJECT, World, build_world

FIRST, FIRST_DONE, SECOND, SECOND_DONE = (
    f"{number:06d}.{kind}.cms" for number in (1, 2) for kind in ("authorization", "outcome")
)


@dataclass
class Copy:
    """A copy of the world's ledger to spoil, with a configuration and state folder of its own."""

    world: World
    folder: Path
    anchor: str

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    def data(self, name: str) -> bytes:
        return (self.ledger / name).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        path = self.ledger / name
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def verify(self) -> subprocess.CompletedProcess[str]:
        """``keyceremony verify`` on the copy."""
        return self.world.keyceremony("verify", "--ledger", str(self.ledger), "--anchor", self.anchor)

    def start_engine(self) -> tuple[int, envelope.Frame]:
        """Start the engine alone (no daemon that could refuse first): exit code and its first frame."""
        text = self.world.config.read_text(encoding="utf-8").replace(self.world.anchor, self.anchor)
        for entry in ("pin", "ledger", "state", "audit"):
            kept = self.folder if entry in ("ledger", "state") else self.world.folder
            text = text.replace(f'= "{entry}"', f'= "{kept / entry}"')
        config = self.folder / "kagimori.toml"
        config.write_text(text, encoding="utf-8")
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                command = [sys.executable, "-m", "appliance.engine", "--config", str(config), "--fd"]
                engine = subprocess.Popen(
                    [*command, str(theirs.fileno())], env=self.world.env, pass_fds=[theirs.fileno()], cwd=PROJECT
                )
            ours.settimeout(30)
            reader = envelope.FrameReader()
            read: list[envelope.Frame] = []
            while not read and (data := ours.recv(65536)):
                read = list(reader.feed(data))
        return engine.wait(timeout=30), read[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Genesis and first keys."""
    return build_world(tmp_path_factory.mktemp("world"), keys=("spin", "sspin.A"))


@pytest.fixture
def copy(world: World, tmp_path: Path) -> Copy:
    """A fresh copy of that world's ledger."""
    shutil.copytree(world.ledger, tmp_path / "ledger")
    (tmp_path / "state").mkdir()
    return Copy(world, tmp_path, world.anchor)


def approvals(copy: Copy, name: str, plan: Plan, people: list[str]) -> None:
    """Put an authorization of the plan by these people, their signatures genuine, in the place of a file."""
    data = canonical.encode(plan)
    moment = datetime.fromisoformat(plan.created)
    copy.put(name, cms.merge([cms.sign(data, copy.world.signers[person], moment) for person in people]))


def plan_of(copy: Copy, name: str) -> Plan:
    return chain.open_authorization(copy.data(name)).plan


def changed_byte(position: float) -> Callable[[Copy], None]:
    def spoil(copy: Copy) -> None:
        for name in (FIRST, FIRST_DONE, SECOND, SECOND_DONE):
            data = bytearray(copy.data(name))
            data[int(len(data) * position)] ^= 1
            copy.put(name, bytes(data))

    return spoil


def dropped(name: str) -> Callable[[Copy], None]:
    return lambda copy: (copy.ledger / name).unlink()


def swapped(one: str, other: str) -> Callable[[Copy], None]:
    def spoil(copy: Copy) -> None:
        first, second = copy.data(one), copy.data(other)
        copy.put(one, second)
        copy.put(other, first)

    return spoil


def approved_by(*people: str) -> Callable[[Copy], None]:
    return lambda copy: approvals(copy, SECOND, plan_of(copy, SECOND), list(people))


def one_key_two_certificates(copy: Copy) -> None:
    """A genesis in which officer 2 is officer 1 again: another certificate, the same key, all signatures genuine."""
    plan = plan_of(copy, FIRST)
    found = plan.actions[0]
    key = copy.world.signers["officer-1"]._key
    twin = PemSigner(key, _self_signed("officer-2", public_key_info(key), PemSigner(key, b"").sign))
    people = tuple(
        Person(id=p.id, name=p.name, role=p.role, certificate=encode_certificate(twin.certificate))
        if p.id == "officer-2"
        else p
        for p in found.roster.people
    )
    found = msgspec.structs.replace(found, roster=msgspec.structs.replace(found.roster, people=people))
    forged = msgspec.structs.replace(plan, actions=(found,))
    data, moment = canonical.encode(forged), datetime.fromisoformat(plan.created)
    signers = [
        copy.world.signers["officer-1"],
        twin,
        copy.world.signers["officer-3"],
        copy.world.signers["oversight-1"],
    ]
    copy.put(FIRST, cms.merge([cms.sign(data, signer, moment) for signer in signers]))
    copy.anchor = chain.anchor_of(data)


def another_plan_with_the_old_outcome(copy: Copy) -> None:
    """Entry 2 is another one, properly approved, but its outcome is the old one's."""
    plan = msgspec.structs.replace(plan_of(copy, SECOND), title="Another plan")
    approvals(copy, SECOND, plan, ["officer-1", "officer-2", "oversight-1"])


TAMPERINGS: dict[str, tuple[Callable[[Copy], None], str, str]] = {
    "byte at the start": (changed_byte(0.0), FIRST, "not CMS SignedData in DER"),
    "byte in the middle": (changed_byte(0.5), FIRST, ""),
    "byte at the end": (changed_byte(0.999), FIRST, ""),
    "genesis dropped": (dropped(FIRST), FIRST, "is missing"),
    "genesis outcome dropped": (dropped(FIRST_DONE), FIRST_DONE, "is missing"),
    "second authorization dropped": (dropped(SECOND), SECOND, "is missing"),
    "second outcome dropped": (dropped(SECOND_DONE), SECOND_DONE, "is missing"),
    "authorizations swapped": (swapped(FIRST, SECOND), FIRST, "sequence: the plan is number 2; its place is 1"),
    "outcomes swapped": (swapped(FIRST_DONE, SECOND_DONE), FIRST_DONE, "genesis must result in the identity key"),
    "authorization and outcome swapped": (swapped(SECOND, SECOND_DONE), SECOND, "unknown field `annexes`"),
    "one officer short": (approved_by("officer-1", "oversight-1"), SECOND, "1 of 2 officer approvals"),
    "no oversight": (approved_by("officer-1", "officer-2", "officer-3"), SECOND, "0 of 1 oversight approvals"),
    "one key, two certificates": (one_key_two_certificates, FIRST, "same public key"),
    "another plan with the old outcome": (
        another_plan_with_the_old_outcome,
        SECOND_DONE,
        "plan: the outcome is of another plan",
    ),
}


def test_the_untouched_copy_is_accepted(copy: Copy) -> None:
    """So that what follows is refused for what was done to it, and for nothing else."""
    assert copy.verify().returncode == 0
    code, frame = copy.start_engine()
    assert (code, frame.kind) == (0, envelope.Kind.HELLO)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_refused_by_verify_and_by_the_engine(copy: Copy, name: str) -> None:
    """Both end with exit code 4, name the file and give the same reason."""
    spoil, file, reason = TAMPERINGS[name]
    spoil(copy)
    verified = copy.verify()
    assert verified.returncode == 4, verified.stdout + verified.stderr
    said = next(line for line in verified.stderr.splitlines() if line.startswith("error: "))
    assert file in said and reason in said, said
    code, frame = copy.start_engine()
    assert (code, frame.kind) == (4, envelope.Kind.FAILED)
    failed = frames.read_record(frame, frames.Failed)
    assert failed.reason == "ledger"
    assert f"error: {failed.message}" == said
