"""A plan rehearsed before people approve it: what it would do, and with which words a bad one is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from lifekit import Life, generate, softhsm
from msgspec.structs import replace

from appliance.ledger.actions import Action, Activate, ChangePolicy, Resume, Retire
from appliance.ledger.policy import KeyRules
from keyceremony.table.papers import Paper


@pytest.fixture
def rehearse(life: Life, tmp_path: Path) -> Iterator[object]:
    """Draft these actions and rehearse the plan, in production's own place; the plan is taken away again."""
    drafted: list[Paper] = []

    def rehearsing(*actions: Action, more: tuple[str, ...] = (), valid: timedelta = timedelta(days=7)) -> object:
        paper = life.draft(*actions, title="A plan to be tried", valid=valid)
        drafted.append(paper)
        before = life.fingerprints()
        options = [*life.where, "--ledger", str(life.ledger), "--folder", str(tmp_path / "rehearsal"), *more]
        done = life.run("rehearse", str(paper.path), *options)
        assert life.fingerprints() == before
        return paper, done

    yield rehearsing
    for paper in drafted:
        paper.path.unlink()


def test_a_plan_is_tried_and_told_before_and_after(rehearse, life: Life, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    backup = life.serials["backup-2"]
    policy = replace(life.state().policy, keys=KeyRules(backups=1, ratify_days=1))
    actions = generate("sspin.G.1", backup), Activate(generation="sspin.G.1"), Resume(generation="sspin.E.1")
    paper, done = rehearse(*actions, ChangePolicy(policy=policy))
    assert done.code == 0, done.err
    assert "What plan 19 would do" in done.out
    rows = [line.split() for line in done.out.splitlines()]
    assert ["1", "generate", "sspin.G.1", "–", "generated"] in [row[:5] for row in rows]
    assert ["3", "resume", "sspin.E.1", "suspended", "active"] in [row[:5] for row in rows]
    assert ["4", "change-policy", "policy"] in [row[:3] for row in rows]
    (generated,) = (row for row in rows if row[:2] == ["1", "generate"])
    assert generated[-1] == "ms"
    assert int(generated[-2]) > 0
    assert " ".join(paper.words[:4]) in done.out
    assert hashlib.sha256(paper.data).hexdigest() in done.out
    assert (tmp_path / "rehearsal" / "originals" / "000019.plan.json").read_bytes() == paper.data


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Activate(generation="sspin.B.2"), "action 1: sspin.B.2: activate: the key is active; needs: generated"),
        (Retire(generation="spin.1"), "action 1: spin.1: retire: the key is active; needs: decrypt-only, suspended"),
        (Activate(generation="sspin.F.1"), "action 1: sspin.F.1: activate: the key is not there; needs: generated"),
    ],
    ids=["twice", "too early", "no such key"],
)
def test_an_illegal_plan_is_refused_before_anything_is_made(rehearse, tmp_path: Path, action, message) -> None:  # type: ignore[no-untyped-def]
    _, done = rehearse(action)
    assert done.code == 4
    assert message in done.err
    assert not (tmp_path / "rehearsal").exists()


def test_what_the_policy_demands_is_demanded_of_a_rehearsal(rehearse, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    _, done = rehearse(generate("sspin.G.1"), Activate(generation="sspin.G.1"))
    assert done.code == 4
    assert "action 2: activate: sspin.G.1: the policy demands copies on 1 backup tokens; it has 0" in done.err
    assert not (tmp_path / "rehearsal").exists()


def test_an_expired_plan_is_refused(rehearse, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    _, done = rehearse(Resume(generation="sspin.E.1"), valid=timedelta(seconds=1))
    assert done.code == 4
    assert "expired at" in done.err
    assert not (tmp_path / "rehearsal").exists()


def test_a_plan_of_another_head_is_refused(rehearse, life: Life, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    paper = life.draft(Resume(generation="sspin.E.1"))
    paper.path.unlink()
    stray = tmp_path / "000018.plan.json"
    stray.write_bytes(paper.data.replace(life.state().head.encode(), b"0" * 64))
    done = life.run("rehearse", str(stray), *life.where, "--ledger", str(life.ledger))
    assert done.code == 4
    assert "was drafted from another head than the ledger's present one" in done.err


def test_a_genesis_is_rehearsed_before_there_is_a_ledger(life: Life, tmp_path: Path) -> None:
    """And its folder goes, if it is to be discarded."""
    plan = life.genesis_plan(tmp_path)
    assert hashlib.sha256(plan.read_bytes()).hexdigest() == life.anchor
    module, folder = str(softhsm()["KAGIMORI_SOFTHSM_MODULE"]), tmp_path / "rehearsal"
    done = life.run("rehearse", str(plan), "--module", module, "--folder", str(folder), "--discard", "--plain")
    assert done.code == 0, done.err
    assert "The same state after each of 1 entries" in done.out
    assert life.anchor in done.out
    assert not folder.exists()
