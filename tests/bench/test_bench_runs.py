"""The bench itself works: a short run measures everything it promises, and checks every answer on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.figures import SCHEMA, Figure
from tests.bench.table import goal
from tests.world import PROJECT

NUMBERS = {
    "token_limit",
    "engine",
    "engine_over_bare",
    "engine_over_library",
    *("engine_over_fastfpe", "engine_over_naive_pkcs11", "engine_over_ff3", "engine_over_pyffx"),
    "library",
    *("fastfpe", "naive_pkcs11", "ff3", "pyffx"),
    *("stream", "long_stream", "no_cliff_engine", "no_cliff_text", "bulk_csv", "engines_2"),
}
GOALS = {
    "engine": "≥ 60 %",
    "engine_over_library": "≥ 60 %",
    "engine_over_fastfpe": "≥ 25 ×",
    "stream": "≥ 30 %",
    "no_cliff_engine": "≤ 1.1 ×",
    "engines_2": "≥ 1.6 ×",
    "one_client_p50": "≤ 5 ×",
    "clients_32": "≥ 8,000 requests/s",
    "lanes_p99_100": "≤ 5.0 ms",
    "lanes_stream_100": "≥ 70 %",
    "audit_numbers_whole": "≥ 80 %",
    "peak_daemon": "≤ 200 MB",
    "peak_bulk": "≤ 500 MB",
}


def test_a_short_run_fills_every_figure(tmp_path: Path) -> None:
    """No judgement on speed here; every figure is there and positive, and the table names every goal."""
    output = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--output", str(output)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    document = json.loads(output.read_text(encoding="utf-8"))
    assert document["schema"] == SCHEMA
    assert all(document["machine"].values()) and all(document["versions"].values())
    figures = {one["name"]: Figure.of(one) for one in document["figures"]}
    assert {name for name, one in figures.items() if one.group == "numbers"} == NUMBERS
    assert all(one.value > 0 and (one.ratio is None or one.ratio > 0) for one in figures.values())
    assert {curve["name"] for curve in document["curves"]} == {"batches", "clients", "latency", "engines", "files"}
    assert list(document["left_out"]) == ["engines on two tokens"]
    for name, text in GOALS.items():
        assert goal(figures[name])[2:] == text
        assert text in done.stdout
    assert "goals met" in done.stdout
