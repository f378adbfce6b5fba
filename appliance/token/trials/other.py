"""The other process of a trial: logs in, takes a key into use by its CKA_ID and check value, and enciphers.

Started as ``python -m appliance.token.trials.other``. Its terms, with the PIN, come as a line of JSON on standard
input, so that no PIN is an argument. It says ``ready``, waits for a line, works, and says ``done``; or ``failed`` and
why.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from appliance.errors import KagimoriError
from appliance.token.stream import CHECK_BLOCK, check_value_of
from appliance.token.token import Token

_LOOK = 1_000


def main() -> int:
    """Run; the exit code."""
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # some modules print
    task = json.loads(sys.stdin.readline())
    try:
        _work(task, told)
    except KagimoriError as error:
        told.write(f"failed {error.message}\n")
        return 1
    told.write("done\n")
    return 0


def _work(task: dict[str, Any], told: IO[str]) -> None:
    key_id, value = bytes.fromhex(task["key_id"]), bytes.fromhex(task["check_value"])
    with Token.open(Path(task["module"]), label=task["label"], serial=task["serial"], pin=task.pop("pin")) as token:
        stream = token.encrypt_blocks(key_id, value)
        told.write("ready\n")
        sys.stdin.readline()
        parent = os.getppid()
        for number in range(task["calls"]):
            if number % _LOOK == 0 and os.getppid() != parent:
                return  # whoever started this has ended
            if check_value_of(stream(CHECK_BLOCK)) != value:
                raise KagimoriError(f"call {number + 1} answered with another key")


if __name__ == "__main__":
    sys.exit(main())
