"""The token's AES as python-pkcs11 delivers it: one multi-part operation, fed with 4,096 blocks at a time as bytes.

What Kagimori was held against until it called the module itself (docs/decisions/0019). Run as ``python -m
tests.bench.library MODULE LABEL PIN_FILE SECONDS`` in a process of its own. Prints conversions (43 blocks) a second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pkcs11

from appliance.memory import keep_freed_memory
from tests.bench.limits import BLOCKS_PER_CALL, BLOCKS_PER_CONVERSION, PROCESSOR, rate


def main() -> None:
    """Measure with a session key."""
    keep_freed_memory()
    module, label, pin_file, seconds = sys.argv[1:5]
    token = pkcs11.lib(module).get_token(token_label=label)
    chunk = os.urandom(16 * BLOCKS_PER_CALL)

    def feed() -> Iterator[bytes]:
        while True:
            yield chunk

    with token.open(user_pin=Path(pin_file).read_text().strip()) as session:
        key = session.generate_key(pkcs11.KeyType.AES, 256, store=False)
        operation = key.encrypt(feed(), mechanism=pkcs11.Mechanism.AES_ECB, buffer_size=len(chunk) + 16)

        def work() -> int:
            if len(next(operation)) != len(chunk):
                raise SystemExit("bench: the token answered with fewer or more bytes than it was given")
            return BLOCKS_PER_CALL

        print(rate(work, float(seconds), PROCESSOR) / BLOCKS_PER_CONVERSION)
        operation.close()


if __name__ == "__main__":
    main()
