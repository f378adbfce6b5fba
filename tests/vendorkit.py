"""Tokens to qualify: SoftHSM2, openCryptoki's soft token and NSS softokn, each with throw-away PINs; or why not.

The last two are provided by softhsm-config/tokens.sh (`make conformance`). openCryptoki has one soft token for the
whole machine, so it is taken in turns, and only if nobody else has initialised it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.shimkit import Shim
from tests.world import PROJECT, init_token, softhsm

LABEL = "kagimori-trial"
PIN, SO_PIN = "48291500", "87651234"
_FRESH = "IBM OS PKCS#11"  # what openCryptoki calls a token that nobody has initialised
_FRESH_SO_PIN = "87654321"
_NSS_LABEL = "NSS Certificate DB"
_PROVIDED = PROJECT / "var" / "tokens" / "env"


class NotHere(Exception):
    """The token cannot be tried on this machine; the text says why."""


@dataclass(frozen=True)
class Vendor:
    """A token, and how a process sees it. ``so``: whether its security officer (SO) can log in."""

    name: str
    module: Path
    label: str
    folder: Path
    so: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(PROJECT), **self.variables}

    @property
    def options(self) -> list[str]:
        """Those of `appliance qualify` that name it."""
        named = ["--module", str(self.module), "--token", self.label, "--pin-file", str(self.folder / "pin")]
        return [*named, *(["--so-pin-file", str(self.folder / "so-pin")] if self.so else [])]

    def qualify(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = [sys.executable, "-m", "appliance.cli", "qualify", *self.options, *options]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=900, check=False)


def softhsm2(folder: Path) -> Vendor:
    """SoftHSM2 with one token in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    init_token(folder, LABEL, PIN)
    _secrets(folder, so_pin=f"so-{PIN}")
    variables = {"SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
    return Vendor("SoftHSM2", softhsm()["KAGIMORI_SOFTHSM_MODULE"], LABEL, folder, variables=variables)


@contextmanager
def opencryptoki(folder: Path) -> Iterator[Vendor]:
    """The soft token of openCryptoki, for this process alone.

    Raises:
        NotHere: it cannot be had, or belongs to somebody.
    """
    module = _provided("KAGIMORI_OPENCRYPTOKI")
    with (PROJECT / "var" / "tokens" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = _apart("_take_opencryptoki", module)
        if done.returncode:
            raise NotHere(done.stderr.strip().rpartition("\n")[2])
        _secrets(folder)
        yield Vendor("openCryptoki", module, LABEL, folder)


@contextmanager
def nss(folder: Path) -> Iterator[Vendor]:
    """NSS softokn with a database in the folder, through the shim, which hands it what it wants to be initialised with.

    Raises:
        NotHere: it cannot be had.
    """
    module = _provided("KAGIMORI_NSS")
    _secrets(folder)
    database = folder / "database"
    database.mkdir()
    certutil = str(_provided("KAGIMORI_NSS", "KAGIMORI_CERTUTIL"))
    make = [certutil, "-N", "-d", f"sql:{database}", "-f", str(folder / "pin")]
    subprocess.run(make, check=True, capture_output=True, timeout=120)
    words = f"configdir='sql:{database}' certPrefix='' keyPrefix='' secmod='secmod.db'"
    shim = Shim(folder / "shim", module, words)
    through = folder / "libsoftokn3-through-the-shim.so"
    shutil.copy(shim.module, through)
    yield Vendor("NSS softokn", through, _NSS_LABEL, folder, so=False, variables=shim.variables)


VENDORS: dict[str, Callable[[Path], Any]] = {"openCryptoki": opencryptoki, "NSS softokn": nss}


def _provided(token: str, name: str | None = None) -> Path:
    if not _PROVIDED.is_file():
        raise NotHere("not provided here: `make conformance` does it (softhsm-config/tokens.sh)")
    told = dict(line.split("=", 1) for line in _PROVIDED.read_text("utf-8").splitlines())
    if (why := told.get(f"{token}_WHY")) is not None:
        raise NotHere(why)
    return Path(told[name or f"{token}_MODULE"])


def _secrets(folder: Path, so_pin: str = SO_PIN) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, secret in (("pin", PIN), ("so-pin", so_pin)):
        (folder / name).touch(0o600)
        (folder / name).write_text(secret + "\n", "ascii")


def _apart(function: str, module: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: a module is initialised once per process."""
    program = f"import pathlib; from tests import vendorkit; vendorkit.{function}(pathlib.Path({str(module)!r}))"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
    )


def _take_opencryptoki(module: Path) -> None:
    """Initialise the soft token, if nobody has, and leave it with the PINs that are known here."""
    import pkcs11

    token = next(slot.get_token() for slot in pkcs11.lib(str(module)).get_slots(token_present=True))
    if token.label.strip() == LABEL:
        return
    if token.label.strip() != _FRESH:
        sys.exit(f"the soft token is somebody's (label {token.label.strip()!r})")
    raw, so = ctypes.CDLL(str(module)), _FRESH_SO_PIN.encode()
    code = raw.C_InitToken(ctypes.c_ulong(token.slot.slot_id), so, ctypes.c_ulong(len(so)), LABEL.encode().ljust(32))
    if code:
        sys.exit(f"the soft token is not as it was shipped: C_InitToken answered {code:#x} to the default SO PIN")
    with token.open(rw=True, so_pin=_FRESH_SO_PIN) as session:
        session.set_pin(_FRESH_SO_PIN, SO_PIN)
    with token.open(rw=True, so_pin=SO_PIN) as session:
        session.init_pin("00000000")
    with token.open(rw=True, user_pin="00000000") as session:
        session.set_pin("00000000", PIN)


def tool(vendor: Vendor, *words: str) -> str:
    """What pkcs11-tool says, logged in."""
    command = [str(softhsm()["KAGIMORI_PKCS11_TOOL"]), "--module", str(vendor.module), "--token-label", vendor.label]
    return subprocess.run(
        [*command, "--login", "--pin", "env:TRIAL_PIN", *words],
        env={**vendor.environment, "TRIAL_PIN": PIN},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


def listed(vendor: Vendor) -> str:
    """Every object on the token, as an outside judge lists it."""
    return tool(vendor, "--list-objects")


def python(vendor: Vendor, program: str, said: str = "") -> str:
    """What a program prints, in a process that sees the token."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=vendor.environment,
        input=said,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
