"""Several appliances, several logs: what docs/scale.md says of oversight and of a person's history."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from appliance.hubkit import Client, verify_history
from appliance.ledger import servicekeys
from appliance.tlog import checkpoint
from tests.clonekit import CloneWorld
from tests.daemonkit import Daemon
from tests.world import PROJECT, World

PAGE = (PROJECT / "docs" / "scale.md").read_text(encoding="utf-8")
LOGS = ("main", "osaka")


def oversight(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance.cli", "oversight", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_one_witness_looks_at_both_logs_with_a_memory_for_each(
    appliances: list[Daemon], worlds: tuple[CloneWorld, World], tmp_path: Path
) -> None:
    """The page's export and verify as they stand; the same keys cosign both; the memory of one refuses the other."""
    anchor = worlds[0].anchor
    (tmp_path / "passphrase").write_text("a long enough passphrase\n")
    (tmp_path / "passphrase").chmod(0o600)
    secret = ["--passphrase-file", "passphrase"]
    made = oversight(tmp_path, "init", "witness-keys", "--name", "oversight.example/witness-1", *secret)
    assert made.returncode == 0, made.stderr
    lines = [line for line in re.findall(r"^appliance oversight (.*)$", PAGE, re.MULTILINE) if "export" in line]
    for world, name in zip(worlds, LOGS, strict=True):
        (tmp_path / f"{name}.sock").symlink_to(world.socket("oversight"))
        for line in lines:
            done = oversight(tmp_path, *shlex.split(line.replace("osaka", name).replace("HEX", anchor)))
            assert done.returncode == 0, done.stderr
        terms = ["--keys", "witness-keys", "--state", f"state-{name}", "--anchor", anchor, *secret]
        look = ["witness", *terms, "--copy", f"copy-{name}", "--output", f"{name}.note", "--begin"]
        done = oversight(tmp_path, *look)
        assert done.returncode == 0, done.stderr
        seen = oversight(tmp_path, "verify", f"copy-{name}", "--anchor", anchor, "--seen", f"{name}.note")
        assert seen.returncode == 0, seen.stdout + seen.stderr
        assert f"/{name}" in (tmp_path / f"{name}.note").read_text().splitlines()[0]
    terms = ["--keys", "witness-keys", "--state", "state-main", "--anchor", anchor, *secret]
    wrong = oversight(tmp_path, "witness", *terms, "--copy", "copy-osaka", "--output", "wrong.note")
    assert wrong.returncode == 1
    assert "/osaka', not of " in wrong.stderr and "keep a folder of its own for each log" in wrong.stderr
    assert not (tmp_path / "wrong.note").exists()


def test_a_persons_history_is_in_as_many_parts_as_there_are_logs(
    appliances: list[Daemon], worlds: tuple[CloneWorld, World]
) -> None:
    """Each part is proven against the keys of its own log, and each is found by the same number."""
    state, person = worlds[0].state(), "98765432100"
    common = {one.numbers("resident", "common", [person], role="numbering")[0] for one in appliances}
    assert len(common) == 1
    (number,) = common
    for one, name in zip(appliances, LOGS, strict=True):
        one.numbers("resident", "sspin.B", [person] * (1 if name == "main" else 2), role="numbering")
        origin = f"kagimori/log/{worlds[0].anchor[:16]}/{name}"
        keys = [str(checkpoint.key(origin, raw)) for raw in servicekeys.log_keys(state, name).values()]
        with Client(one.world.socket("portal")) as portal:
            history = portal.history("common", number, reference="a session")
        verify_history(history, keys)
        assert [each.target for each in history.conversions] == ["sspin.B.1", "common.1"]
