"""The inner kernels by themselves, on a SoftHSM token of their own: ``python -m tests.bench.kernels``.

Nanoseconds a number for FF1 in lockstep by chunk size, for reading and writing lines, and for a
verified conversion B → E from text to text by number of lines; each beside the token's own time,
measured in turns with it, so that a busy machine hits both. Needs what ``make test`` has set up.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
sys.path.append(str(PROJECT / "tests"))

from numberkit import DEFAULT_KEYS, gen, make_state, random_codes  # noqa: E402

from appliance.engine.converter import Converter  # noqa: E402
from appliance.numbers.columns import parse_lines, render_lines  # noqa: E402
from appliance.numbers.ff1 import EncryptBlocks, FF1Halves  # noqa: E402
from appliance.numbers.formats import BASE36, Format  # noqa: E402
from appliance.numbers.lockstep import Lockstep  # noqa: E402
from appliance.token.token import Token  # noqa: E402

SSPIN = Format(BASE36, 11)
BLOCKS = 8192
TURNS = 7
SECONDS = 0.05
B, E = gen("sspin.B.1"), gen("sspin.E.1")


@contextmanager
def session_keys() -> Iterator[Callable[[], EncryptBlocks]]:
    """Keys with random known bytes on a token that is gone afterwards."""
    paths = dict(line.split("=", 1) for line in (PROJECT / "var/softhsm/env").read_text(encoding="utf-8").splitlines())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tokens").mkdir()
        template = (PROJECT / "softhsm-config/softhsm2.conf.in").read_text(encoding="utf-8")
        (Path(folder) / "softhsm2.conf").write_text(template.replace("@TOKENS@", f"{folder}/tokens"), encoding="utf-8")
        os.environ["SOFTHSM2_CONF"] = f"{folder}/softhsm2.conf"
        init = ["--init-token", "--free", "--label", "bench", "--pin", "482915", "--so-pin", "87654321"]
        subprocess.run([paths["KAGIMORI_SOFTHSM2_UTIL"], *init], check=True, capture_output=True)
        module = Path(paths["KAGIMORI_SOFTHSM_MODULE"])
        with Token.open(module, label="bench", serial=None, pin="482915") as token:
            yield lambda: token.import_session_key(secrets.token_bytes(32))


def per_call(work: Callable[[], object]) -> float:
    """Seconds of one call, over a time long enough that a busy machine takes its share of any work alike."""
    calls, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < SECONDS:
        work()
        calls += 1
    return elapsed / calls


def beside(limit: Callable[[], object], work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of one ``work``, and ``limit``'s time to that of ``work``: medians over some turns."""
    limit()
    work()
    turns = [(per_call(limit), per_call(work)) for _ in range(TURNS)]
    return statistics.median(ours for _, ours in turns), statistics.median(theirs / ours for theirs, ours in turns)


def main() -> None:
    """Print the figures."""
    with session_keys() as key:
        converter = Converter(make_state(DEFAULT_KEYS), lambda record: key())
        aes, blocks = key(), secrets.token_bytes(16 * BLOCKS)

        def report(name: str, numbers: int, rounds: int, work: Callable[[], object]) -> None:
            seconds, ratio = beside(lambda: aes(blocks), work)
            share = f"{ratio * numbers * rounds / BLOCKS:7.1%} of the token's limit" if rounds else ""
            print(f"{name:42s} {seconds * 1e6:10.1f} µs {seconds / numbers * 1e9:10.1f} ns a number {share}")

        report("AES-ECB, 8,192 blocks", BLOCKS, 1, lambda: aes(blocks))
        scalar = FF1Halves(aes, SSPIN, b"sspin.B")
        report("FF1 scalar, one number (10 rounds)", 1, 10, lambda: scalar.encrypt(1, 2))
        for chunk in (512, 1024, 2048, 4096, 6144, 8192, 16384, 32768):
            lockstep = Lockstep(aes, SSPIN, b"sspin.B", chunk=chunk)
            a = np.random.default_rng(1).integers(0, SSPIN.left_size, chunk, np.uint64)
            b = np.random.default_rng(2).integers(0, SSPIN.right_size, chunk, np.uint64)
            report(f"FF1 lockstep, chunk of {chunk:,}", chunk, 10, lambda: lockstep.encrypt_in_place(a, b))  # noqa: B023
        text = converter.convert_lines(None, B, random_codes(200_000)).text
        few = text[: 12 * BLOCKS]
        a, b, ok = parse_lines(few, SSPIN)
        status = np.where(ok, 0, 1).astype(np.uint8)
        report("lines to halves", BLOCKS, 0, lambda: parse_lines(few, SSPIN))
        report("halves to lines", BLOCKS, 0, lambda: render_lines(a, b, status, SSPIN))
        for lines in (1, 2, 3, 4, 8, 32, 256, 1024, 4096, 8192, 65_536, 200_000):
            question = text[: 12 * lines]
            work = lambda: converter.convert_lines(B, E, question)  # noqa: B023, E731
            report(f"B → E, text to text, {lines:,} lines", lines, 30, work)


if __name__ == "__main__":
    main()
