"""The bench itself works: a short run measures everything it promises, and checks every answer on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.world import PROJECT


def test_a_short_run_fills_every_figure(tmp_path: Path) -> None:
    """No judgement on speed here; every figure is there and positive, and the table names every goal."""
    output = tmp_path / "bench.json"
    command = [
        sys.executable,
        "-m",
        "tests.bench",
        "--rounds",
        "1",
        "--lines",
        "50000",
        "--seconds",
        "0.2",
        "--tags",
        "1e5",
    ]
    done = subprocess.run(
        [*command, "--output", str(output)], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(output.read_text(encoding="utf-8"))
    rates = figures["engine"]["per_second"]
    assert set(rates) == {"token_limit", "engine", "fastfpe", "naive_pkcs11"}
    assert figures["long_stream"]["lines"] >= 50_000
    assert {"daemon", "client", "engine_1"} == set(figures["peak_megabytes"])
    audit = figures["audit"]
    for name in ("requests_per_second", "numbers_per_second"):
        assert set(audit[name]) == {"whole", "untagged", "off"}
    assert [one["hits"] for one in figures["history"]] == [0, 1, 20]
    measured = [*audit["requests_per_second"].values(), *audit["numbers_per_second"].values()]
    measured += [*rates.values(), *figures["requests"].values(), *figures["peak_megabytes"].values()]
    measured += [one["cold_p95"] for one in figures["history"]]
    assert all(value > 0 for value in measured)
    for goal in ("≥ 25 %", "≥ 25×", "≥ 10 %", "≤ 5×", "≥ 8,000/s", "≥ 80 %", "p95 ≤ 50 ms", "≤ 200 MB"):
        assert goal in done.stdout
