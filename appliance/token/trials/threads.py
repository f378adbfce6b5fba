"""Two threads of one process, which Kagimori never uses: python-pkcs11 initialises modules without locking.

Tried on request alone. A module that does not bear it mostly ends its process, which costs this check and no other.
"""

from __future__ import annotations

import threading

from pkcs11 import Mechanism

from appliance.token.stream import CHECK_BLOCK
from appliance.token.trials.bench import Bench
from appliance.token.trials.findings import Differs
from appliance.token.trials.raw import OK, Raw
from appliance.token.trials.registry import trial


@trial("threads.two")
def two(bench: Bench) -> str:
    """Each in a session of its own, with a key of its own."""
    calls = bench.terms.count(20_000, 1_000)
    wrong: list[str] = []
    with (
        bench.stored_key("left thread") as (_, left),
        bench.stored_key("right thread") as (_, right),
        bench.another_session() as one,
        bench.another_session() as other,
    ):
        pairs = [(one.handle, left), (other.handle, right)]
        wanted = [bytes(key.encrypt(CHECK_BLOCK, mechanism=Mechanism.AES_ECB)) for _, key in pairs]
        threads = [
            threading.Thread(target=_work, args=(bench.raw, session, key.handle, answer, calls, wrong))
            for (session, key), answer in zip(pairs, wanted, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if wrong:
        raise Differs(wrong[0])
    return f"{calls:,} operations in each, all right"


def _work(raw: Raw, session: int, key: int, wanted: bytes, calls: int, wrong: list[str]) -> None:
    for number in range(calls):
        begun = raw.begin("C_EncryptInit", session, key, Mechanism.AES_ECB)
        code, answer = raw.encrypt(session, CHECK_BLOCK)
        if begun != OK or code != OK or answer != wanted:
            wrong.append(f"operation {number + 1:,} beside another thread: {begun}, {code}, or another key's answer")
            return
