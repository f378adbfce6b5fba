"""A small world with clones: a backup token, keys that are copied to it, and tokens that got them from there.

`clone_world` makes one by real ceremonies, as `tests.world.build_world` does: each ``execute`` is a process of its own.
To look at one: ``python -m tests.clonekit FOLDER``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from appliance.ledger import fold
from appliance.ledger.actions import Action, DomainSpec
from appliance.ledger.policy import Policy
from keyceremony.plans import changes, drafting
from tests.world import KEYS, PIN, SERVICE_KEYS, TOKEN_LABEL, World, build_world, init_token

BACKUP = "vault-1"
DECIDERS = ("officer-1", "officer-2", "officer-3", "oversight-1")


@dataclass(frozen=True)
class Held:
    """A token of the world besides the appliance's. ``so_pin_file``: its security officer's."""

    label: str
    serial: str
    pin_file: Path
    so_pin_file: Path
    module: Path
    log_name: str | None = None


@dataclass
class CloneWorld(World):
    """A world with a backup token and clones, in the order of their enrolment."""

    backup: Held | None = None
    clones: list[Held] = field(default_factory=list)

    def make_token(self, label: str, log_name: str | None = None) -> Held:
        """An empty token, its PINs in files of mode 0600; it is in no ledger yet."""
        serial = init_token(self.folder, label, PIN)
        pin, so_pin = self.write_pin(label, "pin", PIN), self.write_pin(label, "so-pin", f"so-{PIN}")
        return Held(label, serial, pin, so_pin, self.module, log_name)

    def write_pin(self, label: str, kind: str, pin: str) -> Path:
        """A file with a PIN of a token; ``kind``: ``pin`` or ``so-pin``."""
        path = self.folder / "pins" / f"{label}.{kind}"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(f"{pin}\n", encoding="ascii")
        path.chmod(0o600)
        return path

    def enroll_clone(self, label: str, log_name: str | None = None) -> fold.LedgerState:
        """A new token becomes a clone, by a ceremony of its own."""
        held = self.make_token(label, log_name)
        action = changes.enroll_clone(
            self.state(), label=label, serial=held.serial, source=self.vault.serial, log_name=log_name
        )
        state = self.do(action)
        self.clones.append(held)
        return state

    @property
    def vault(self) -> Held:
        """The backup token."""
        assert self.backup is not None
        return self.backup

    def do(self, *actions: Action, title: str = "A ceremony with clones") -> fold.LedgerState:
        """Draft, approve and carry out actions of any kind, with every token of the world at hand."""
        plan = drafting.around(self.state(), actions, title=title, now=datetime.now(UTC))
        return self.carry_out(plan, DECIDERS)

    def keyceremony(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the ceremony tool; ``execute``, ``resume``, ``abort`` and ``inventory`` find every token's PINs."""
        more: list[str] = []
        if arguments[0] in ("execute", "resume", "abort", "inventory"):
            for path in sorted((self.folder / "pins").glob("*.pin")):
                more += ["--pin", f"{path.stem}={path}"]
            for path in sorted((self.folder / "pins").glob("*.so-pin")):
                more += ["--so-pin", f"{path.stem}={path}"]
        return super().keyceremony(*arguments, *more)


def clone_world(
    folder: Path,
    clones: int = 1,
    log_names: Sequence[str | None] | None = None,
    *,
    domains: Sequence[DomainSpec] | None = None,
    policy: Policy | None = None,
    keys: Sequence[str] = KEYS,
) -> CloneWorld:
    """Found a ledger, enrol the backup token ``vault-1``, make and activate keys with copies, and enrol clones.

    Args:
        folder: made if it is not there; must hold no world yet.
        clones: how many, labelled ``clone-1``, ``clone-2`` …
        log_names: of each clone the log that an appliance of its own keeps; None, or a None among them: no log.
        domains: as for `build_world`.
        policy: as for `build_world`.
        keys: domains that get a first key, as the log and the tags do.
    """
    plain = build_world(folder, domains=domains, policy=policy, keys=())
    world = CloneWorld(plain.folder, plain.anchor, plain.pin, plain.signers)
    world.write_pin(TOKEN_LABEL, "so-pin", f"so-{world.pin}")
    vault = world.make_token(BACKUP)
    world.do(changes.enroll_backup(world.state(), label=BACKUP, serial=vault.serial, copy_from=None))
    world.backup = vault
    made = [*keys, *(name for name in SERVICE_KEYS if name not in keys)]
    world.ceremony([*(f"generate {name}" for name in made), *(f"activate {name}.1" for name in made)], "First keys")
    for number, name in enumerate(log_names or [None] * clones, start=1):
        world.enroll_clone(f"clone-{number}", name)
    return world


if __name__ == "__main__":
    print(clone_world(Path(sys.argv[1])).config)
