"""One thread per process touches PKCS#11, and no forked child does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from softhsmkit import PIN, PROJECT

from appliance.token import Token
from appliance.token.errors import WrongThread


def test_second_thread_is_refused_everywhere(token: Token, module: Path, label: str) -> None:
    encrypt = token.import_session_key(bytes(32))
    token.generate_signing_key(b"s" * 16, "identity")
    signer = token.signer(b"", key_id=b"s" * 16)
    calls: dict[str, Callable[[], Any]] = {
        "open": lambda: Token.open(module, label=label, serial=None, pin=PIN),
        "stream": lambda: encrypt(bytes(16)),
        "bulk": lambda: encrypt(bytes(16 * 20_000)),
        "new stream": lambda: token.import_session_key(bytes(32)),
        "keys": token.key_ids,
        "sign": lambda: signer.sign(b"x"),
        "close": token.close,
    }
    with ThreadPoolExecutor(1) as other:
        for name, call in calls.items():
            with pytest.raises(WrongThread, match="a second thread uses PKCS#11") as caught:
                other.submit(call).result()
            assert caught.value.exit_code == 70, name
    assert len(encrypt(bytes(16))) == 16
    assert len(signer.sign(b"x")) > 60


def test_forked_child_is_refused(softhsm: Any, label: str) -> None:
    script = """
import os, sys
from pathlib import Path
from appliance.token import Token
from appliance.token.errors import WrongThread
with Token.open(Path(sys.argv[1]), label=sys.argv[2], serial=None, pin=sys.stdin.read()) as token:
    encrypt = token.import_session_key(bytes(32))
    if os.fork() == 0:
        refused = 0
        for call in (token.key_ids, lambda: encrypt(bytes(16))):
            try:
                call()
            except WrongThread as error:
                refused += "a forked process" in error.message
        os._exit(10 + refused)
    status = os.waitstatus_to_exitcode(os.wait()[1])
    print(status, len(encrypt(bytes(16))))
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(softhsm.module), label],
        input=PIN,
        env=softhsm.environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert (ended.stdout, ended.stderr) == ("12 16\n", "")
