"""The bench's figures for a person: one table, each figure beside what it is held against."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    libraries = ("kagimori", "python-pkcs11", "numpy", "aiohttp", "fastfpe")
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def table(figures: dict[str, Any]) -> Table:
    """All figures and, where a first goal is set, the goal and whether it was met."""
    engine, requests = figures["engine"], figures["requests"]
    rate = engine["per_second"]
    sheet = Table(title="Kagimori, verified conversions B → E", title_justify="left")
    for name, justify in (("figure", "left"), ("seen", "right"), ("as a ratio", "right"), ("goal", "left")):
        sheet.add_column(name, justify=justify)  # type: ignore[arg-type]

    def row(name: str, seen: str, share: str = "", goal: str = "", met: bool | None = None) -> None:
        mark = "" if met is None else ("✓ " if met else "✗ ")
        sheet.add_row(name, seen, share, mark + goal)

    share, over = engine["engine_of_token_limit"], engine["engine_over_fastfpe"]
    row("raw token limit (AES-ECB blocks / 30)", f"{rate['token_limit']:,.0f}/s", "1")
    row("engine, text to text", f"{rate['engine']:,.0f}/s", f"{share:.1%} of the limit", "≥ 25 %", share >= 0.25)
    row("", "", f"{over:.1f}× fastfpe", "≥ 25×", over >= 25)
    row("fastfpe, key in process memory", f"{rate['fastfpe']:,.0f}/s")
    row(
        "naive one-shot PKCS#11",
        f"{rate['naive_pkcs11']:,.0f}/s",
        f"engine: {engine['engine_over_naive_pkcs11']:,.0f}×",
    )
    for name, part in (("socket as text, audit on", "stream"), ("the same, longest stream", "long_stream")):
        seen = figures[part]
        of_limit = seen["stream_of_token_limit"]
        label = f"{name} ({seen['lines']:,} lines)"
        row(label, f"{seen['per_second']:,.0f}/s", f"{of_limit:.1%} of the limit", "≥ 10 %", of_limit >= 0.10)
    floor = requests["one_client_p50_over_floor"]
    row("30 one-block updates + one fdatasync", f"{requests['token_and_disk_floor_us']:.0f} µs", "1")
    row("1 client, p50", f"{requests['one_client_p50_us']:.0f} µs", f"{floor:.1f}× that", "≤ 5×", floor <= 5)
    row("1 client, p99", f"{requests['one_client_p99_us']:.0f} µs")
    crowd = requests["clients_32_per_second"]
    row("32 clients", f"{crowd:,.0f} requests/s", "", "≥ 8,000/s", crowd >= 8000)
    row("32 clients, p50 / p99", f"{requests['clients_32_p50_us']:.0f} / {requests['clients_32_p99_us']:.0f} µs")
    _audit(row, figures["audit"])
    for one in figures["history"]:
        name = f"history, {one['tags']:,} tags, {one['hits']} conversions, p50 / p95"
        row(name, f"{one['cold_p50']:.1f} / {one['cold_p95']:.1f} ms", "", "p95 ≤ 50 ms", one["cold_p95"] <= 50)
    for name, megabytes in figures["peak_megabytes"].items():
        row(f"peak memory: {name.replace('_', ' ')}", f"{megabytes:.0f} MB", "", "≤ 200 MB", megabytes <= 200)
    return sheet


def _audit(row: Callable[..., None], audit: dict[str, Any]) -> None:
    """What records and tags cost."""
    for what, unit in (("requests", "requests/s"), ("numbers", "numbers/s, streamed")):
        seen = audit[f"{what}_per_second"]
        on, tags = audit[f"{what}_on_over_off"], audit[f"{what}_whole_over_untagged"]
        row("audit off (no record of a conversion)", f"{seen['off']:,.0f} {unit}", "1")
        row("audit on, without subject tags", f"{seen['untagged']:,.0f} {unit}", f"{on:.1%} of off")
        goal = "" if what == "requests" else "≥ 80 %"
        met = None if what == "requests" else tags >= 0.8
        row("audit on, with subject tags", f"{seen['whole']:,.0f} {unit}", f"{tags:.1%} of without", goal, met)
