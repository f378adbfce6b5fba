"""SoftHSM2 for tests: where it is, and tokens made on demand.

SoftHSM reads its token folder once, at C_Initialize, and python-pkcs11 initialises a module once per
process. A token made by another program (softhsm2-util) afterwards stays invisible to this process. So
`SoftHSM.init_token` makes tokens inside the process, through the module's own C_InitToken: visible at once,
with other tokens open, and to every process started later with the same SOFTHSM2_CONF.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

import pkcs11

PROJECT = Path(__file__).resolve().parent.parent
PIN = "482915"


@dataclass(frozen=True)
class SoftHSM:
    """Where module, tools and this test process's token folder are. No real PIN ever goes in here."""

    module: Path
    softhsm2_util: Path
    pkcs11_tool: Path
    pkcs11_spy: Path
    openssl: Path
    curl: Path
    configuration: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a subprocess that shall see the same tokens."""
        return {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}

    def init_token(self, label: str, pin: str | None = PIN, so_pin: str = "87654321") -> str:
        """Makes a token with a user PIN (None: without) and returns its serial number."""
        library = pkcs11.lib(str(self.module))
        free = next(slot for slot in library.get_slots() if not _initialised(slot.get_token()))
        raw, so = ctypes.CDLL(str(self.module)), so_pin.encode()
        code = raw.C_InitToken(ctypes.c_ulong(free.slot_id), so, ctypes.c_ulong(len(so)), label.encode().ljust(32))
        assert code == 0, f"C_InitToken answered {code:#x}"
        token = free.get_token()
        if pin is not None:
            with token.open(rw=True, so_pin=so_pin) as session:
                session.init_pin(pin)
        return str(token.serial, "ascii")

    def close_all_sessions(self, label: str) -> None:
        """What pulling the token out does to the sessions of this process."""
        slot = pkcs11.lib(str(self.module)).get_token(token_label=label).slot
        code = ctypes.CDLL(str(self.module)).C_CloseAllSessions(ctypes.c_ulong(slot.slot_id))
        assert code == 0, f"C_CloseAllSessions answered {code:#x}"


def _initialised(token: pkcs11.Token) -> bool:
    return bool(token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED)
