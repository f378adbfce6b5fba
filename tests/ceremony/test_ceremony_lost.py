"""The appliance's token is lost, and a key of it is on no backup token: given up by name, the others are restored."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import ceremonykit as kit
import livingkit
import msgspec
import pytest
from ceremonykit import Done, Stage
from daemonkit import Daemon, codes
from livingkit import carry_out, strange, where

from appliance.ledger import chain, files
from appliance.ledger.actions import Activate, ChangePolicy, Generate
from appliance.ledger.outcome import Restored
from appliance.ledger.states import KeyState
from tests.world import softhsm

BARE, SPARE = "sspin.F.1", "spare"
RESIDENTS = codes(200)
SOCKET = '\n[[socket]]\nrole = "hub"\npath = "run/hub.sock"\n'


@dataclass
class Hub:
    """What a daemon of daemonkit needs to know of its world."""

    stage: Stage

    @property
    def folder(self) -> Path:
        return self.stage.folder

    @property
    def config(self) -> Path:
        return self.folder / "kagimori.toml"

    @property
    def env(self) -> dict[str, str]:
        return self.stage.env

    def socket(self, role: str) -> Path:
        return self.folder / "run" / f"{role}.sock"


@pytest.fixture
def stage(living: Stage) -> Stage:
    """The living stage; sspin.F.1 is active and has no copy, and the hub may make numbers."""
    for name in ("state", "audit", "run"):
        (living.folder / name).mkdir()
    config = living.folder / "kagimori.toml"
    config.write_text(config.read_text() + SOCKET)
    policy = living.state().policy
    pairs = (("resident", "sspin.A"), ("resident", "sspin.F"), ("sspin.F", "sspin.F"))
    hub = msgspec.structs.replace(policy.roles["hub"], pairs=(*policy.roles["hub"].pairs, *pairs))
    grown = msgspec.structs.replace(policy, roles={**policy.roles, "hub": hub})
    made = (Generate(generation=BARE, parent="spin.1"), Activate(generation=BARE))
    carry_out(living, ChangePolicy(policy=grown), *made)
    return living


def _lose_the_token(stage: Stage) -> None:
    delete = [str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"]), "--delete-token", "--token", kit.APPLIANCE]
    subprocess.run(delete, env=stage.env, check=True, capture_output=True, timeout=60)


def _draft(stage: Stage, *more: str) -> Done:
    new = ["--label", SPARE, "--serial", stage.serials[SPARE], "--from", "backup-1"]
    return stage.run("plan", "restore", *new, *more, "--config", "kagimori.toml")


def _restore(stage: Stage) -> None:
    drafted = _draft(stage, "--give-up", BARE)
    assert drafted.code == 0, drafted.err
    assert f"GIVEN UP: {BARE} (active now): on no backup token; no number under it can ever be" in drafted.out
    plan = stage.newest_plan()
    stage.approve(plan, *livingkit.EVERYBODY)
    stage.must("execute", str(plan), *where(stage), "--operator", "operator")
    config = stage.folder / "kagimori.toml"
    config.write_text(config.read_text().replace(f'label = "{kit.APPLIANCE}"', f'label = "{SPARE}"'))


def _state_of(stage: Stage, generation: str) -> KeyState:
    return next(key.state for one, key in stage.state().keys.items() if str(one) == generation)


def test_a_key_without_a_copy_does_not_stand_in_the_way_of_the_others(stage: Stage) -> None:
    with Daemon(Hub(stage)) as daemon:  # type: ignore[arg-type]
        old = {sector: daemon.numbers("resident", sector, RESIDENTS) for sector in ("sspin.A", "sspin.F")}
        others = daemon.numbers("sspin.A", "sspin.B", old["sspin.A"])
        assert daemon.numbers("sspin.A", "sspin.F", old["sspin.A"]) == old["sspin.F"]
    _lose_the_token(stage)
    _refused_without_a_word(stage)
    _restore(stage)
    assert _state_of(stage, BARE) is KeyState.LOST
    assert strange(stage, SPARE) == []
    assert BARE not in stage.objects(SPARE)
    _sign_again(stage)
    with Daemon(Hub(stage)) as daemon:  # type: ignore[arg-type]
        assert daemon.numbers("resident", "sspin.A", RESIDENTS) == old["sspin.A"]
        assert daemon.numbers("sspin.A", "sspin.B", old["sspin.A"]) == others
        for source, target in ((BARE, "sspin.A"), ("sspin.F", "sspin.A"), ("sspin.A", "sspin.F"), ("sspin.A", BARE)):
            number = old["sspin.F" if source.startswith("sspin.F") else "sspin.A"][0]
            assert daemon.convert(source, target, [number]).code == "generation_unusable"
    _told(stage)
    _life_goes_on(stage, old)


def _sign_again(stage: Stage) -> None:
    """There is no copy of a log key: a daemon says what is missing, and the next plan makes the next one."""
    refused = Daemon(Hub(stage)).launch()  # type: ignore[arg-type]
    assert refused.wait() != 0
    assert "keyceremony plan keys 'generate log'" in refused.log
    carry_out(stage, Generate(generation="log.2", parent=None), Activate(generation="log.2"))


def _refused_without_a_word(stage: Stage) -> None:
    """Nothing is drafted, and no token changes."""
    before = livingkit.objects(stage, ("backup-1", SPARE))
    refused = _draft(stage)
    assert (refused.code, refused.error) == (1, "DraftRefused")
    assert refused.message == f"restore: no backup token has a copy of {BARE}"
    assert refused.hint.endswith(f"To give them up, add: --give-up {BARE}")
    assert not list((stage.ledger / "pending").glob("*.plan.json"))
    assert livingkit.objects(stage, ("backup-1", SPARE)) == before


def _told(stage: Stage) -> None:
    """The outcome tells of every other key; minutes, status and a replay on throw-away tokens know of the lost one."""
    restored, newest = chain.verify_entries(files.read(stage.ledger), stage.anchor)[-2:]
    (result,) = restored.outcome.results
    assert isinstance(result, Restored)
    live = {str(one) for one, key in restored.state.keys.items() if key.state is not KeyState.LOST}
    assert {one.generation for one in result.keys} == live
    minutes = ["minutes", str(restored.sequence), "--config", "kagimori.toml", "--out", "minutes.html"]
    stage.must(*minutes)
    page = (stage.folder / "minutes.html").read_text(encoding="utf-8")
    assert f"{BARE} (active now): on no backup token" in page
    assert f"{BARE}（現在：有効）" in page
    assert "log.1 (active now): there is no copy of it" in page
    status = stage.must("status", "--config", "kagimori.toml", "--token", SPARE).splitlines()
    assert any(line.split()[:2] == [BARE, "lost"] for line in status)
    assert "The token holds every key of the ledger, and no other." in status
    replayed = stage.must("rehearse", "--replay", "ledger", "--config", "kagimori.toml", "--discard")
    assert f"The same state after each of {newest.sequence} entries." in replayed


def _life_goes_on(stage: Stage, old: dict[str, list[str]]) -> None:
    """A new generation takes the place of the lost one; the old numbers stay what they have become, unreadable."""
    copies = (stage.serials["backup-1"],)
    carry_out(
        stage,
        Generate(generation="sspin.F.2", parent="spin.1", backups=copies),
        Activate(generation="sspin.F.2"),
    )
    with Daemon(Hub(stage)) as daemon:  # type: ignore[arg-type]
        new = daemon.numbers("sspin.A", "sspin.F", old["sspin.A"])
        assert daemon.numbers("sspin.F", "sspin.A", new) == old["sspin.A"]
        assert not set(new) & set(old["sspin.F"])
        assert daemon.convert("sspin.F.1", "sspin.F.2", old["sspin.F"][:1]).code == "generation_unusable"
    assert strange(stage, SPARE) == []


def test_a_lost_key_that_turns_up_is_unknown(stage: Stage) -> None:
    """The state says that it is gone; whatever has its identifier is somebody's to explain, not to be used."""
    _lose_the_token(stage)
    _restore(stage)
    key = next(key for one, key in stage.state().keys.items() if str(one) == BARE)
    for label in (SPARE, "backup-1"):
        made = ["--keygen", "--key-type", "AES:32", "--id", key.key_id.hex(), "--label", BARE]
        stage.pkcs11_tool(*made, label=label)
    assert strange(stage, SPARE) == [("unknown", SPARE, BARE), ("unknown", "backup-1", BARE)]
