"""``keyceremony`` with a token, disk or dealer that fails while a PIN is split: ``pinsaboteur.py FAULT ARGUMENT…``."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pkcs11 import exceptions

from appliance.token import pins
from keyceremony import cli, workspace
from keyceremony.errors import FileProblem
from keyceremony.pin import pinshares

FAULT = sys.argv[1]


class Session:
    """A session that is logged in, with a fault in C_SetPIN."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def set_pin(self, old: str, new: str) -> None:
        if FAULT == "refused":
            raise exceptions.PinLenRange
        if FAULT == "lost-before":
            raise exceptions.DeviceRemoved
        if FAULT == "ctrl-c":
            threading.Thread(target=time.sleep, args=(1,), daemon=True).start()  # it blocks no signal
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)  # the kernel gives it to whichever thread takes it
        self._real.set_pin(old, new if FAULT != "another" else "99999999")
        if FAULT == "lost-after":
            raise exceptions.DeviceRemoved

    def close(self) -> None:
        self._real.close()


def create(path: Path, data: bytes, mode: int) -> None:
    """A disk that is full at the third share."""
    if path.name == "officer-3.share":
        raise FileProblem(f"{path}: cannot be written (No space left on device)", "make room on the disk")
    real_create(path, data, mode)


real_log_in, real_create, real_deal = pins.log_in, workspace.create, pinshares.deal
if FAULT == "disk-full":
    workspace.create = create  # type: ignore[assignment]
if FAULT == "wrong-shares":
    pinshares.deal = lambda secret, *given, **named: real_deal(bytes(16), *given, **named)
pins.log_in = lambda *given, **named: Session(real_log_in(*given, **named))  # type: ignore[assignment,return-value]
cli.main(sys.argv[2:])
