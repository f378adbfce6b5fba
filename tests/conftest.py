"""SoftHSM2 for tests: a token folder of the test process's own, and tokens made in it on demand.

SoftHSM reads its token folder once, at C_Initialize, and python-pkcs11 initialises a module once per
process. A token made by another program (softhsm2-util) afterwards stays invisible to this process. So
`SoftHSM.init_token` makes tokens inside the process, through the module's own C_InitToken: visible at once,
with other tokens open, and to every process started later with the same SOFTHSM2_CONF.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pkcs11
import pytest

PROJECT = Path(__file__).resolve().parent.parent
MISSING = "SoftHSM2 is not set up here: `make test` installs it (softhsm-config/bootstrap.sh alone does, too)"


@dataclass(frozen=True)
class SoftHSM:
    """Where module, tools and this test process's token folder are. No real PIN ever goes in here."""

    module: Path
    softhsm2_util: Path
    pkcs11_tool: Path
    openssl: Path
    configuration: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a subprocess that shall see the same tokens."""
        return {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}

    def init_token(self, label: str, pin: str = "123456", so_pin: str = "87654321") -> str:
        """Makes a token with a user PIN and returns its serial number."""
        library = pkcs11.lib(str(self.module))
        free = next(slot for slot in library.get_slots() if not _initialised(slot.get_token()))
        raw, so = ctypes.CDLL(str(self.module)), so_pin.encode()
        code = raw.C_InitToken(ctypes.c_ulong(free.slot_id), so, ctypes.c_ulong(len(so)), label.encode().ljust(32))
        assert code == 0, f"C_InitToken answered {code:#x}"
        token = free.get_token()
        with token.open(rw=True, so_pin=so_pin) as session:
            session.init_pin(pin)
        return str(token.serial, "ascii")


def _initialised(token: pkcs11.Token) -> bool:
    return bool(token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED)


def _bootstrapped() -> dict[str, Path]:
    """The paths that softhsm-config/bootstrap.sh has written."""
    written = PROJECT / "var" / "softhsm" / "env"
    if not written.is_file():
        pytest.fail(MISSING, pytrace=False)
    pairs = (line.split("=", 1) for line in written.read_text(encoding="utf-8").splitlines())
    paths = {name: Path(value) for name, value in pairs}
    if absent := [str(path) for path in paths.values() if not path.exists()]:
        pytest.fail(f"{', '.join(absent)}: gone. {MISSING}", pytrace=False)
    return paths


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHSM]:
    """SoftHSM2 with an empty token folder, one per test process; SOFTHSM2_CONF points to it throughout."""
    paths = _bootstrapped()
    home = tmp_path_factory.mktemp("softhsm")
    (home / "tokens").mkdir(mode=0o700)
    template = (PROJECT / "softhsm-config" / "softhsm2.conf.in").read_text(encoding="utf-8")
    (home / "softhsm2.conf").write_text(template.replace("@TOKENS@", str(home / "tokens")), encoding="utf-8")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(home / "softhsm2.conf")
    yield SoftHSM(
        module=paths["KAGIMORI_SOFTHSM_MODULE"],
        softhsm2_util=paths["KAGIMORI_SOFTHSM2_UTIL"],
        pkcs11_tool=paths["KAGIMORI_PKCS11_TOOL"],
        openssl=paths["KAGIMORI_OPENSSL"],
        configuration=home / "softhsm2.conf",
    )
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before
