"""A job on the cluster that the data sits in: whatever dies in the middle, the result is complete and right.

Real processes throughout: a Dask scheduler, two workers, and beside each worker an appliance of its own (one ledger,
the second one's token a clone, a log each). At the end both logs are verified.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import dask.dataframe as dd
import pandas as pd
import pytest
from distributed import Client, Future

from appliance.cluster.dask import convert
from appliance.cluster.errors import ConversionRefused
from appliance.cluster.node import ask
from appliance.cluster.terms import Terms
from tests.clonekit import CloneWorld
from tests.cluster.clusterkit import Cluster, check_right, kill, recorded, verify_log
from tests.cluster.conftest import PARTITIONS, PEOPLE
from tests.daemonkit import Daemon, wait_for
from tests.world import PROJECT, World

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
NOBODY = len(range(2, PEOPLE, 997))  # cells that are nobody's number; as many are malformed, about as many empty
ASKED = PEOPLE - len(range(0, PEOPLE, 997))
GOOD = ASKED - NOBODY - len(range(1, PEOPLE, 997))

# Dask reads Parquet with a pandas call that pandas means to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")


@pytest.fixture
def client(nodes: Cluster) -> Iterator[Client]:
    """A client of a cluster whose two workers are both there."""
    with Client(scheduler_file=str(nodes.file), set_as_default=True) as one:
        one.wait_for_workers(2, timeout=60)
        yield one


def begin(client: Client, people: Path, out: Path, reference: str) -> Future:
    """A job under way, a fifth of its partitions written."""
    frame = dd.read_parquet(people)
    assert frame.npartitions == PARTITIONS
    done = convert(frame, "number", "sspin.B.1", "sspin.E.1", purpose="exchange", reference=reference)
    job: Future = client.compute(done.to_parquet(out, write_index=False, compute=False))
    wait_for(lambda: job.done() or len(list(out.glob("*.parquet"))) >= PARTITIONS // 5, 60)
    assert not job.done(), job
    return job


def numbers_told(worlds: tuple[CloneWorld, World], reference: str) -> int:
    """How many numbers both logs tell of together; each person must be among them (the tags' key is the same)."""
    told = recorded(worlds, reference)
    assert len(told.people) == GOOD
    return told.asked


def test_the_job_of_the_guide_uses_both_appliances(
    client: Client,
    nodes: Cluster,
    worlds: tuple[CloneWorld, World],
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The Python of docs/scale.md as it stands. Nothing dies: each number is converted once, by one of the two."""
    monkeypatch.chdir(tmp_path)
    Path("people.parquet").symlink_to(people)
    Path("cluster.json").symlink_to(nodes.file)
    (block,) = BLOCK.findall((PROJECT / "docs" / "scale.md").read_text(encoding="utf-8"))
    exec(block, {"__name__": "guide"})
    check_right(tmp_path / "converted.parquet", PEOPLE)
    assert numbers_told(worlds, "re-key 2026-04") == ASKED
    assert all(recorded([world], "re-key 2026-04").people for world in worlds)


def test_a_worker_is_killed_in_the_middle(
    client: Client, worlds: tuple[CloneWorld, World], people: Path, tmp_path: Path
) -> None:
    """What it had begun, and what it had finished without anybody having it, is done again by the other one."""
    job = begin(client, people, tmp_path / "out", "a worker dies")
    victim = next(iter(client.run(os.getpid).values()))
    os.kill(victim, signal.SIGKILL)
    job.result(timeout=60)
    check_right(tmp_path / "out", PEOPLE)
    assert numbers_told(worlds, "a worker dies") >= ASKED


def test_an_appliance_is_killed_in_the_middle(
    client: Client,
    nodes: Cluster,
    worlds: tuple[CloneWorld, World],
    appliances: list[Daemon],
    people: Path,
    tmp_path: Path,
) -> None:
    """Its worker leaves, the other one does the rest; when it is back, so is its worker."""
    job = begin(client, people, tmp_path / "out", "an appliance dies")
    kill(appliances[1])
    job.result(timeout=60)
    check_right(tmp_path / "out", PEOPLE)
    assert "does not serve" in nodes.said(1) and "leaving the cluster until it is back" in nodes.said(1)
    wait_for(lambda: "node-1 waits for its appliance" in nodes.said(1), 60)
    assert len(client.scheduler_info()["workers"]) == 1
    appliances[1].start()
    client.wait_for_workers(2, timeout=60)
    assert numbers_told(worlds, "an appliance dies") >= ASKED


def test_no_appliance_serves_for_a_while(
    client: Client, worlds: tuple[CloneWorld, World], appliances: list[Daemon], people: Path, tmp_path: Path
) -> None:
    """Both die: the job waits, without failing, and goes on when one is back."""
    job = begin(client, people, tmp_path / "out", "both die")
    for one in appliances:
        kill(one)
    wait_for(lambda: not client.scheduler_info()["workers"], 60)
    assert not job.done()
    for one in appliances:
        one.start()
    job.result(timeout=60)
    check_right(tmp_path / "out", PEOPLE)
    assert numbers_told(worlds, "both die") >= ASKED


def test_both_logs_verify_after_all_of_this(
    appliances: list[Daemon], worlds: tuple[CloneWorld, World], tmp_path: Path
) -> None:
    """Each from the trust anchor on, under its own name: the main one's, and that of the clone's own key."""
    for world, name in zip(worlds, ("main", "osaka"), strict=True):
        checkpoint = verify_log(world, worlds[0].anchor, tmp_path / name)
        assert checkpoint["origin"].endswith(f"/{name}")


def test_what_an_appliance_refuses_ends_the_job(client: Client, nodes: Cluster, people: Path) -> None:
    """No other worker would do better. The message says who refused and why; the workers' logs hold no number."""
    frame = dd.read_parquet(people)
    refused = convert(frame, "number", "sspin.B.1", "sspin.E.1", purpose="curiosity", reference="r")
    with pytest.raises(ConversionRefused, match="the appliance on .* refuses: purpose_denied: purpose: not one of"):
        refused.compute()
    assert len(client.scheduler_info()["workers"]) == 2
    wait_for(lambda: any("ConversionRefused" in nodes.said(worker) for worker in (0, 1)))
    numbers = pd.read_parquet(people, columns=["number", "truth"]).stack().dropna()
    words = {word for worker in (0, 1) for word in re.findall(r"\w{11}", nodes.said(worker))}
    assert not words & {number for number in numbers if number not in ("malformed", "ZZZZZZZZZZZ")}


def test_one_process_without_a_cluster(
    appliances: list[Daemon], worlds: tuple[CloneWorld, World], people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask's own schedulers within one process do as well, with the socket of this process."""
    monkeypatch.setenv("KAGIMORI_SOCKET", str(worlds[0].socket("hub")))
    frame = dd.read_parquet(people).partitions[0]
    done = convert(frame, "number", "sspin.B.1", "sspin.E.1", purpose="exchange", reference="alone")
    got = done.compute(scheduler="threads")
    assert list(got.dtypes) == list(done.dtypes)
    assert (got["number"].dropna() == got["truth"].dropna()).all() and got["number"].notna().sum() > 8_000


def test_an_answer_of_another_generation_is_refused(
    appliances: list[Daemon], worlds: tuple[CloneWorld, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the current generation taken, a job could end with two."""
    monkeypatch.setenv("KAGIMORI_SOCKET", str(worlds[0].socket("hub")))
    terms = Terms("number", "sspin.B.1", "sspin.E.1", "exchange", "r")
    assert ask(terms, BytesIO(b"ZZZZZZZZZZZ\n")) == b"!unknown_number\n"
    object.__setattr__(terms, "target", "sspin.E")
    with pytest.raises(ConversionRefused, match="answers sspin.B.1 → sspin.E.1, not sspin.B.1 → sspin.E$"):
        ask(terms, BytesIO(b"ZZZZZZZZZZZ\n"))
