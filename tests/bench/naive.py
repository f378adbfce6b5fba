"""What one gets by calling PKCS#11 the obvious way: a one-shot encrypt for every FF1 round, number by number.

Run as ``python -m tests.bench.naive MODULE LABEL PIN_FILE SECONDS`` in a process of its own, because
python-pkcs11 logs a whole process out when a session closes. Prints verified conversions a second: the engine's own
code for single numbers, with session keys of its own, no subject tags.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pkcs11

from appliance.engine.converter import Converter
from appliance.ledger.fold import KeyRecord
from appliance.numbers.aes import EncryptBlocks
from tests.bench.limits import PROCESSOR, rate
from tests.bench.subject import B, E
from tests.numberkit import DEFAULT_KEYS, make_state, random_codes

PEOPLE = 20


def main() -> None:
    """Measure with session keys."""
    module, label, pin_file, seconds = sys.argv[1:5]
    token = pkcs11.lib(module).get_token(token_label=label)
    with token.open(user_pin=Path(pin_file).read_text().strip()) as session:

        def one_shot(_record: KeyRecord) -> EncryptBlocks:
            key = session.generate_key(pkcs11.KeyType.AES, 256, store=False)
            return lambda block: key.encrypt(block, mechanism=pkcs11.Mechanism.AES_ECB)

        converter = Converter(make_state(DEFAULT_KEYS), one_shot)
        lines = converter.convert_lines(None, B, random_codes(PEOPLE)).text.splitlines(keepends=True)
        expected = converter.convert_lines(None, E, random_codes(PEOPLE)).text

        def work() -> int:
            if b"".join(converter.convert_lines(B, E, line).text for line in lines) != expected:
                raise SystemExit("bench: a wrong number")
            return PEOPLE

        print(rate(work, float(seconds), PROCESSOR))


if __name__ == "__main__":
    main()
