"""What one gets by calling PKCS#11 the obvious way: a one-shot encrypt for every FF1 round.

Run as ``python -m tests.bench.naive MODULE LABEL PIN_FILE SECONDS`` in a process of its own, because
python-pkcs11 logs a whole process out when a session closes. Prints conversions a second.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pkcs11

from tests.bench.limits import BLOCKS_PER_CONVERSION, rate


def main() -> None:
    """Measure with a session key of its own."""
    module, label, pin_file, seconds = sys.argv[1:5]
    token = pkcs11.lib(module).get_token(token_label=label)
    with token.open(user_pin=Path(pin_file).read_text().strip()) as session:
        key = session.generate_key(pkcs11.KeyType.AES, 256, store=False)
        block = os.urandom(16)

        def work() -> int:
            for _ in range(BLOCKS_PER_CONVERSION * 10):
                key.encrypt(block, mechanism=pkcs11.Mechanism.AES_ECB)
            return 10

        print(rate(work, float(seconds)))


if __name__ == "__main__":
    main()
