"""``make bench``: every figure beside its limit and its peers, in one run; a table and ``bench.json``.

The machine may be shared and noisy, so nothing here is a verdict on absolute speed. What is compared is
measured in turns (limit, engine, peer, limit, engine, …) and the median of the ratios is what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tests.bench import history, limits, load
from tests.bench.audit import copies, measure_audit
from tests.bench.processes import children, daemon, peak_megabytes
from tests.bench.report import machine, table
from tests.bench.subject import Subject, subject
from tests.world import World, build_world

PURPOSE = "exchange"
Figures = dict[str, Any]


def in_turns(measures: dict[str, Callable[[], float]], rounds: int, tick: Callable[[], None]) -> dict[str, list[float]]:
    """Call each measure once a round, so that a slow moment of the machine hits all of them alike."""
    seen: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            seen[name].append(measure())
        tick()
    return seen


def ratio(seen: dict[str, list[float]], over: str, under: str) -> float:
    """Median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(seen[over], seen[under], strict=True))


def measure_engine(world: World, ours: Subject, rounds: int, tick: Callable[[], None]) -> Figures:
    """The engine's own conversions beside the token's limit, ``fastfpe`` and naive PKCS#11."""
    numbers = ours.b_text.split()[:200]
    naive = [sys.executable, "-m", "tests.bench.naive", str(world.module), world.token_label, str(world.pin_file), "1"]

    def one_shot() -> float:
        environment = {**world.environment}
        return float(subprocess.run(naive, check=True, capture_output=True, text=True, env=environment).stdout)

    seen = in_turns(
        {
            "token_limit": lambda: limits.token_limit(ours.encrypt_blocks, 1),
            "engine": lambda: limits.rate(ours.convert_batch, 1),
            "fastfpe": lambda: limits.fastfpe_conversions([number.decode() for number in numbers], 1),
            "naive_pkcs11": one_shot,
        },
        rounds,
        tick,
    )
    return {
        "per_second": {name: statistics.median(values) for name, values in seen.items()},
        "engine_of_token_limit": ratio(seen, "engine", "token_limit"),
        "engine_over_fastfpe": ratio(seen, "engine", "fastfpe"),
        "engine_over_naive_pkcs11": ratio(seen, "engine", "naive_pkcs11"),
    }


def measure_stream(world: World, ours: Subject, lines: int, rounds: int, tick: Callable[[], None]) -> Figures:
    """The streamed form through the socket, audit on, beside the token's limit in the same rounds."""
    source, target = world.folder / "stream.in", world.folder / "stream.out"
    copies = -(-lines // ours.count)
    with source.open("wb") as file:
        for _ in range(copies):
            file.write(ours.b_text)
    command = [sys.executable, "-m", "tests.bench.streamer", str(world.hub_socket), str(source), str(target), PURPOSE]
    clients: list[Figures] = []

    def stream() -> float:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        clients.append(json.loads(done.stdout))
        return float(clients[-1]["lines"] / clients[-1]["seconds"])

    seen = in_turns({"token_limit": lambda: limits.token_limit(ours.encrypt_blocks, 1), "stream": stream}, rounds, tick)
    with target.open("rb") as answers:
        for _ in range(copies):
            if answers.read(len(ours.e_text)) != ours.e_text:
                raise SystemExit("bench: the stream answered a wrong number")
    source.unlink()
    target.unlink()
    return {
        "lines": copies * ours.count,
        "per_second": statistics.median(seen["stream"]),
        "stream_of_token_limit": ratio(seen, "stream", "token_limit"),
        "client_megabytes": max(client["megabytes"] for client in clients),
    }


def measure_requests(world: World, ours: Subject, seconds: float, rounds: int, tick: Callable[[], None]) -> Figures:
    """Single requests with 1 and 32 clients, beside the token's and the disk's own time for one."""
    asked = [
        (load.request_bytes("sspin.B", "sspin.E", PURPOSE, b.decode()), e)
        for b, e in zip(ours.b_text.split()[:2000], ours.e_text.split()[:2000], strict=True)
    ]
    floors, ones, crowds = [], [], []
    for _ in range(rounds):
        floors.append(limits.token_thirty_updates(ours.encrypt_blocks) + limits.fdatasync(world.folder))
        ones.append(load.run(world.hub_socket, asked, 1, seconds))
        crowds.append(load.run(world.hub_socket, asked, 32, seconds))
        tick()
    return {
        "token_and_disk_floor_us": 1e6 * statistics.median(floors),
        "one_client_p50_us": 1e6 * statistics.median(run.percentile(50) for run in ones),
        "one_client_p99_us": 1e6 * statistics.median(run.percentile(99) for run in ones),
        "one_client_p50_over_floor": statistics.median(
            run.percentile(50) / floor for run, floor in zip(ones, floors, strict=True)
        ),
        "clients_32_per_second": statistics.median(run.per_second for run in crowds),
        "clients_32_p50_us": 1e6 * statistics.median(run.percentile(50) for run in crowds),
        "clients_32_p99_us": 1e6 * statistics.median(run.percentile(99) for run in crowds),
    }


def run(folder: Path, *, rounds: int, lines: int, seconds: float, sizes: Sequence[int]) -> Figures:
    """The whole benchmark in ``folder``. ``sizes``: numbers of tags stored for the histories."""
    world = build_world(folder)
    worlds = copies(world)
    os.environ["SOFTHSM2_CONF"] = world.env["SOFTHSM2_CONF"]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Measuring", total=5 * rounds)

        def tick() -> None:
            progress.advance(task)

        with (
            subject(world) as ours,
            daemon(world.config, world.hub_socket, world.environment, folder / "daemon.log") as pid,
        ):
            requests = measure_requests(world, ours, seconds, rounds, tick)
            engine = measure_engine(world, ours, rounds, tick)
            short = measure_stream(world, ours, lines // 10, rounds, tick)
            long = measure_stream(world, ours, lines, 1, tick)
            memory = {"daemon": peak_megabytes(pid), "client": long.pop("client_megabytes")}
            memory |= {f"engine_{n}": peak_megabytes(child) for n, child in enumerate(children(pid), 1)}
        with subject(world) as ours:
            audit = measure_audit(worlds, ours, PURPOSE, lines=lines // 2, seconds=seconds, rounds=rounds, tick=tick)
        histories = [row._asdict() for row in history.measure(sizes)]
    short.pop("client_megabytes")
    return {
        "machine": machine(),
        "engine": engine,
        "stream": short,
        "long_stream": long,
        "requests": requests,
        "audit": audit,
        "history": histories,
        "peak_megabytes": memory,
    }


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each measure takes its turn")
    parser.add_argument("--lines", type=int, default=10_000_000, help="length of the longest stream")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each run of single requests")
    parser.add_argument("--output", type=Path, default=Path("bench.json"), help="where the figures go")
    parser.add_argument(
        "--tags", type=lambda text: int(float(text)), nargs="*", default=history.SIZES, help="tags stored for histories"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kagimori-bench-") as folder:
        figures = run(
            Path(folder) / "w",
            rounds=options.rounds,
            lines=options.lines,
            seconds=options.seconds,
            sizes=options.tags,
        )
    options.output.write_text(json.dumps(figures, indent=2) + "\n")
    Console().print(table(figures))
    Console().print(f"written to {options.output}")


if __name__ == "__main__":
    main()
