"""The whole life of two sectors by the command line: keys with copies, rotation, re-keying, other people, a lost token.

Every person has a token of their own; a real daemon converts between the ceremonies; other programs confirm what the
records say.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import ceremonykit as kit
from ceremonykit import PEOPLE, Done, Stage
from daemonkit import Daemon, codes

from appliance.ledger.chain import verify_entries
from appliance.ledger.files import read
from appliance.ledger.keys import KeyRecord
from appliance.ledger.outcome import Destroyed, Generated, Restored
from appliance.ledger.states import GONE
from tests.world import softhsm

VAULT, SECOND, RENEWED = "vault-1", "successor", "renewed-1"
RESIDENTS = 10_000
CHUNK = 2_500
SECTORS = ("sspin.B", "sspin.C")
CHECK_BLOCK = b"kagimori/kcv/v1\x00"

SETUP = """
title = "Genesis of two sectors"
participants = ["officer-1.json", "officer-2.json", "officer-3.json", "oversight-1.json"]

[token]
label = "kagimori"
serial = "{serial}"

[keys]
backups = 1
drill_days = 30

[policy.hub]
pairs = [
  ["resident", "sspin.B"], ["resident", "sspin.C"],
  ["sspin.B", "sspin.C"], ["sspin.C", "sspin.B"], ["sspin.B", "sspin.B"], ["sspin.C", "sspin.C"],
]
purposes = ["exchange"]
values_per_request = 10000
values_per_stream = 1000000
values_per_minute = 100000000
"""
SOCKET = '\n[[socket]]\nrole = "hub"\npath = "run/hub.sock"\n'


@dataclass
class Life:
    """A stage, and the people who approve now, each with the label of their token."""

    stage: Stage
    people: dict[str, str]

    # What a daemon of daemonkit needs to know of its world.

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

    # --- ceremonies ----------------------------------------------------------------------------

    def draft(self, *arguments: str) -> Path:
        self.stage.must("plan", *arguments, "--config", "kagimori.toml")
        return self.stage.newest_plan()

    def hold(self, *arguments: str) -> Done:
        """Draft a plan, have everybody approve it, carry it out."""
        plan = self.draft(*arguments)
        for person, token in self.people.items():
            self.stage.must(*self.stage.approve_command(plan, person, token))
        return self.execute(plan)

    def execute(self, plan: Path) -> Done:
        done = self.stage.execute(plan, *self.pins())
        assert done.code == 0, done.err
        return done

    def pins(self) -> list[str]:
        labels = (kit.APPLIANCE, VAULT, SECOND)
        return [word for label in labels for word in ("--pin", f"{label}=pin", "--so-pin", f"{label}=so-pin")]

    def inventory(self) -> Done:
        return self.stage.run("inventory", "--all", "--json", *self.pins(), "--config", "kagimori.toml")

    def states(self) -> dict[str, str]:
        return {str(generation): str(key.state) for generation, key in self.stage.state().keys.items()}


def _founded(folder: Path) -> Life:
    stage = kit.bare(folder, (kit.APPLIANCE, *PEOPLE, "officer-4", RENEWED, VAULT, SECOND))
    secret = folder / "so-pin"
    secret.write_text(f"so-{kit.PIN}\n")
    secret.chmod(0o600)
    life = Life(stage, {person: person for person in PEOPLE})
    for person, (name, role) in PEOPLE.items():
        _enroll(life, person, name, role, token=person, card=f"{person}.json")
    (folder / "setup.toml").write_text(SETUP.format(serial=stage.serials[kit.APPLIANCE]))
    plan = kit.drafted(stage)
    for name in ("state", "audit", "run"):
        (folder / name).mkdir()
    life.config.write_text(life.config.read_text() + SOCKET)
    for person in PEOPLE:
        stage.must(*stage.approve_command(plan, person))
    life.execute(plan)
    return life


def _enroll(life: Life, person: str, name: str, role: str, *, token: str, card: str) -> None:
    module = str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])
    who = ["--id", person, "--name", name, "--role", role, "--out", card]
    life.stage.must("enroll", *who, "--token", token, "--module", module, "--pin-file", "pin")


def _convert(daemon: Daemon, source: str, target: str, numbers: list[str]) -> list[str]:
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    return [number for chunk in chunks for number in daemon.numbers(source, target, chunk)]


def _refused(daemon: Daemon, source: str, target: str, number: str) -> str:
    return daemon.convert(source, target, [number]).code


def test_the_full_life_of_two_sectors(tmp_path: Path) -> None:
    life = _founded(tmp_path / "stage")
    _first_keys(life)
    residents = codes(RESIDENTS)
    with Daemon(life) as daemon:  # type: ignore[arg-type]
        first = {sector: _convert(daemon, "resident", sector, residents) for sector in SECTORS}
        assert _convert(daemon, "sspin.B", "sspin.C", first["sspin.B"][:100]) == first["sspin.C"][:100]
    second = _rotation(life, residents, first)
    _other_people(life)
    _end_of_the_old_keys(life, first, second)
    _confirmed_from_outside(life, kit.APPLIANCE)
    _lost_and_restored(life, residents, second)
    _confirmed_from_outside(life, SECOND)


def _first_keys(life: Life) -> None:
    """No copy, no activation: the policy demands one."""
    life.hold("backup", "enroll", "--label", VAULT, "--serial", life.stage.serials[VAULT])
    bare = ["keys", "generate spin without backup", "activate spin.1", "--title", "No copy"]
    refused = life.stage.run("plan", *bare, "--config", "kagimori.toml")
    assert refused.code == 1
    assert "the policy demands copies on 1 backup tokens; it has 0" in refused.message
    names = ("spin", *SECTORS, "log", "tag")
    actions = [*(f"generate {name}" for name in names), *(f"activate {name}.1" for name in names)]
    life.hold("keys", *actions, "--title", "First keys")
    assert life.states() == {f"{name}.1": "active" for name in names}
    found = json.loads(life.inventory().out)
    assert not any(one["attention"] for one in found["findings"])


def _rotation(life: Life, residents: list[str], first: dict[str, list[str]]) -> dict[str, list[str]]:
    """Old and new generation convert side by side; 10,000 numbers of each sector are re-keyed."""
    for sector in SECTORS:
        life.hold("rotate", sector)
    assert {name: state for name, state in life.states().items() if name.startswith("sspin")} == {
        f"{sector}.{number}": "active" for sector in SECTORS for number in (1, 2)
    }
    second = {}
    with Daemon(life) as daemon:  # type: ignore[arg-type]
        for sector, other in (SECTORS, SECTORS[::-1]):
            renewed = _convert(daemon, f"{sector}.1", f"{sector}.2", first[sector])
            assert renewed == _convert(daemon, "resident", sector, residents)
            assert not set(renewed) & set(first[sector][:50])
            for source, numbers in ((f"{sector}.1", first[sector]), (f"{sector}.2", renewed)):
                assert _convert(daemon, source, f"{other}.1", numbers[:200]) == first[other][:200]
            second[sector] = renewed
    return second


def _other_people(life: Life) -> None:
    """One officer leaves, another joins, oversight renews certificate and key; both quorums agree."""
    alone = life.stage.run("plan", "roster", "--remove", "officer-3", "--config", "kagimori.toml")
    assert alone.code == 1
    assert "3 officer approvals, but the roster has 2" in alone.message
    _enroll(life, "officer-4", "保安責任者 四郎", "officer", token="officer-4", card="officer-4.json")
    name, role = PEOPLE["oversight-1"]
    _enroll(life, "oversight-1", name, role, token=RENEWED, card="renewed.json")
    plan = life.draft("roster", "--remove", "officer-3", "--add", "officer-4.json", "--replace", "renewed.json")
    for person, token in life.people.items():
        life.stage.must(*life.stage.approve_command(plan, person, token))
    short = life.stage.execute(plan, *life.pins())
    assert (short.code, short.error) == (4, "QuorumShort")
    assert "quorum of the new roster: 2 of 3 officer approvals (still can: officer-4)" in short.message
    life.stage.must(*life.stage.approve_command(plan, "officer-4"))
    life.stage.must(*life.stage.approve_command(plan, "oversight-1", RENEWED))
    life.execute(plan)
    people = {person.id for person in life.stage.state().roster.people}
    assert people == {"officer-1", "officer-2", "officer-4", "oversight-1"}
    left, life.people = (
        life.people,
        {
            "officer-1": "officer-1",
            "officer-2": "officer-2",
            "officer-4": "officer-4",
            "oversight-1": RENEWED,
        },
    )
    plan = life.draft("rotate", "sspin.B")
    for person, why in (("officer-3", "officer-3 is not in the roster"), ("oversight-1", "oversight-1")):
        gone = life.stage.run(*life.stage.approve_command(plan, person, left[person]))
        assert gone.code == 1
        assert why in gone.message
    life.stage.must("withdraw", str(plan), "--config", "kagimori.toml")


def _end_of_the_old_keys(life: Life, first: dict[str, list[str]], second: dict[str, list[str]]) -> None:
    for sector in SECTORS:
        life.hold("rotate", sector)
        assert life.states()[f"{sector}.1"] == "decrypt-only"
    with Daemon(life) as daemon:  # type: ignore[arg-type]
        assert daemon.numbers("sspin.B.1", "sspin.C", first["sspin.B"][:50]) == second["sspin.C"][:50]
        assert _refused(daemon, "sspin.C", "sspin.B.1", second["sspin.C"][0]) == "generation_unusable"
    for sector in SECTORS:
        life.hold("rotate", sector)
        assert life.states()[f"{sector}.1"] == "retired"
    with Daemon(life) as daemon:  # type: ignore[arg-type]
        assert _refused(daemon, "sspin.B.1", "sspin.C", first["sspin.B"][0]) == "generation_unusable"
    old = {sector: _key_id(life, f"{sector}.1") for sector in SECTORS}
    for sector in SECTORS:
        assert all(old[sector] in life.stage.objects(label) for label in (kit.APPLIANCE, VAULT))
        life.hold("rotate", sector)
        assert life.states()[f"{sector}.1"] == "destroyed"
        assert not any(old[sector] in life.stage.objects(label) for label in (kit.APPLIANCE, VAULT))
    result = verify_entries(read(life.stage.ledger), life.stage.anchor)[-1].outcome.results[0]
    assert isinstance(result, Destroyed)
    assert set(result.absent_from) == {life.stage.serials[label] for label in (kit.APPLIANCE, VAULT)}


def _key_id(life: Life, generation: str) -> str:
    keys = life.stage.state().keys
    return next(key.key_id.hex() for key in keys.values() if str(key.generation) == generation)


def _lost_and_restored(life: Life, residents: list[str], second: dict[str, list[str]]) -> None:
    """The appliance's token is deleted; a new one takes its place, and every number is what it was."""
    tool = str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"])
    delete = [tool, "--delete-token", "--token", kit.APPLIANCE]
    subprocess.run(delete, env=life.env, check=True, capture_output=True, timeout=60)
    gone = life.inventory()
    assert gone.code == 5
    assert "no token has label 'kagimori'" in gone.message
    life.hold("restore", "--label", SECOND, "--serial", life.stage.serials[SECOND], "--from", VAULT)
    life.config.write_text(life.config.read_text().replace('label = "kagimori"', f'label = "{SECOND}"'))
    state = life.stage.state()
    assert (state.token_label, state.token_serial) == (SECOND, life.stage.serials[SECOND])
    assert life.states()["log.1"] == "lost"
    life.hold("keys", "generate log", "activate log.2", "--title", "A key that signs the log again")
    with Daemon(life) as daemon:  # type: ignore[arg-type]
        for sector, other in (SECTORS, SECTORS[::-1]):
            assert _convert(daemon, "resident", sector, residents) == second[sector]
            assert _convert(daemon, sector, other, second[sector]) == second[other]
    found = json.loads(life.inventory().out)
    assert not any(one["attention"] for one in found["findings"])
    life.hold("keys", "generate sspin.B", "activate sspin.B.3", "--title", "And life goes on")
    entry = verify_entries(read(life.stage.ledger), life.stage.anchor)[-3]
    (result,) = entry.outcome.results
    assert isinstance(result, Restored)
    origins = {one.generation: one.origin for one in result.keys}
    made = verify_entries(read(life.stage.ledger), life.stage.anchor)[origins["sspin.C.2"] - 1].outcome.results
    original = next(one for one in made if isinstance(one, Generated))
    assert (original.generation, original.attributes["local"]) == ("sspin.C.2", True)


def _confirmed_from_outside(life: Life, label: str) -> None:
    """OpenSSL reads every file; pkcs11-tool shows the objects, and computes the very check values of the ledger."""
    openssl = str(softhsm()["KAGIMORI_OPENSSL"])
    for path in sorted(life.stage.ledger.glob("*.cms")):
        command = [openssl, "cms", "-verify", "-inform", "DER", "-noverify", "-in", str(path)]
        said = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        assert json.loads(said)["sequence"] == int(path.name[:6])
    live = [key for key in life.stage.state().keys.values() if key.state not in GONE]
    secrets = [key for key in live if key.generation.domain != "log"]
    for token in (label, VAULT):
        secret = _secret_keys(life.stage.objects(token))
        assert set(secret) == {key.key_id.hex() for key in secrets}
        for key in secrets:
            shown = secret[key.key_id.hex()]
            assert re.search(rf"label: +{re.escape(str(key.generation))}\n", shown)
            assert re.search(r"Usage: +encrypt\n", shown)
            assert ("extractable" in shown.replace("never extractable", "")) == (token == VAULT), shown
            assert _check_value(life, token, key.key_id.hex()) == key.check_value
    (log,) = [key for key in live if key.generation.domain == "log"]
    _log_key_confirmed(life, label, log)


def _log_key_confirmed(life: Life, label: str, key: KeyRecord) -> None:
    """Another program signs with it, OpenSSL verifies with the ledger's public key; no backup token has it."""
    assert key.key_id.hex() not in life.stage.objects(VAULT)
    assert re.search(rf"Private Key Object; EC_EDWARDS\n  label: +{key.generation}\n", life.stage.objects(label))
    message, signature, public = (life.folder / name for name in ("message", "signature", "log.der"))
    message.write_bytes(b"whatever a checkpoint says\n")
    public.write_bytes(key.public_key)
    files = ["--input-file", str(message), "--output-file", str(signature)]
    life.stage.pkcs11_tool("--sign", "--mechanism", "EDDSA", "--id", key.key_id.hex(), *files, label=label)
    command = [str(softhsm()["KAGIMORI_OPENSSL"]), "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER"]
    named = ["-inkey", str(public), "-sigfile", str(signature), "-in", str(message)]
    said = subprocess.run([*command, *named], capture_output=True, text=True, check=True, timeout=60)
    assert "Signature Verified Successfully" in said.stdout


def _secret_keys(objects: str) -> dict[str, str]:
    parts = re.split(r"(?m)^(?=\S)", objects)
    keys = [part for part in parts if part.startswith("Secret Key Object")]
    return {re.search(r"ID: +([0-9a-f]+)", part)[1]: part for part in keys}  # type: ignore[index]


def _check_value(life: Life, token: str, key_id: str) -> bytes:
    block, sealed = life.folder / "block", life.folder / "sealed"
    block.write_bytes(CHECK_BLOCK)
    files = ["--input-file", str(block), "--output-file", str(sealed)]
    life.stage.pkcs11_tool("--encrypt", "--mechanism", "AES-ECB", "--id", key_id, *files, label=token)
    return hashlib.sha256(sealed.read_bytes()).digest()[:6]
