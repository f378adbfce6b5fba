"""Asking ``keyceremony``: what it says is read strictly; a tool that hangs, floods, lies or is missing is said to."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from plankit import DIGEST, LEDGER, PLAN, STATUS, WORDS

from appliance.desk import ceremonies
from appliance.desk.ceremonies import Ceremonies, CeremonyTool, read_aloud
from appliance.desk.errors import CeremonyToolFailed


def shown(words: tuple[str, ...] = WORDS, digest: str = DIGEST) -> str:
    """What ``show --plain`` ends with."""
    lines = [f"   {number}.  {group}" for number, group in enumerate(words, 1)]
    return "\n".join(["Plan 3: A plan", "This plan in words:", *lines, f"   SHA-256  {digest}", ""])


def tool(folder: Path, code: str) -> CeremonyTool:
    """A tool of which ``code`` is the program; ``said(status=..., show=...)`` answers."""
    script = folder / "tool.py"
    script.write_text(
        "import json, sys, os, time\n"
        "def said(status, show):\n"
        "    open(os.path.join(os.path.dirname(__file__), 'asked'), 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "    sys.stdout.write(json.dumps(status) if sys.argv[1] == 'status' else show)\n" + code,
        "utf-8",
    )
    return CeremonyTool(Path("kagimori.toml"), (sys.executable, str(script)))


def look(one: CeremonyTool) -> Ceremonies:
    return asyncio.run(one.look())


def test_a_plan_is_told_with_its_words_and_asked_for_once(tmp_path: Path) -> None:
    one = tool(tmp_path, f"said({STATUS!r}, {shown()!r})")
    found = look(one)
    (waiting,) = found.waiting
    assert waiting.shown is not None
    assert waiting.shown.words == WORDS
    assert waiting.plan.missing() == {"officer-2": "officer", "officer-3": "officer", "oversight-1": "oversight"}
    assert (found.sequence, found.head, found.anchor) == (2, "cd" * 32, "ef" * 32)
    look(one)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["status", "show", "status"]
    assert asked[1] == "show /ledger/pending/000003.plan.json --plain --config kagimori.toml"


def test_a_ledger_that_has_moved_on_is_a_reason_to_ask_again(tmp_path: Path) -> None:
    """What a plan would do depends on the state that it meets."""
    one = tool(tmp_path, f"said({STATUS!r}, {shown()!r})")
    look(one)
    moved = {**STATUS, "ledger": {**LEDGER, "head": "00" * 32}}
    tool(tmp_path, f"said({moved!r}, {shown()!r})")
    look(one)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["status", "show", "status", "show"]


def test_an_empty_ledger_has_nothing(tmp_path: Path) -> None:
    found = look(tool(tmp_path, f"said({ ({**STATUS, 'ledger': None, 'plans': []})!r}, '')"))
    assert (found.waiting, found.sequence, found.anchor) == ((), 0, "")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit('error: ledger: no such folder\\nhint: x')", "keyceremony status: ledger: no such folder"),
        ("sys.exit(3)", "keyceremony status: it failed"),
        ("print('no json')", "keyceremony status: not what is expected"),
        ("print('{}')", "keyceremony status: not what is expected"),
        ("time.sleep(60)", "keyceremony status: no answer within 0.7 s"),
        ("os.close(1); time.sleep(60)", "keyceremony status: no answer within 0.7 s"),
        ("[sys.stdout.write('x' * 65536) for _ in range(200)]", "keyceremony status: says more than 1000000 bytes"),
        ("[sys.stderr.write('x' * 65536) for _ in range(200)]", "keyceremony status: says more than 1000000 bytes"),
        (
            "while True: os.write(1, bytes(65536)); os.write(2, bytes(65536))",
            "keyceremony status: says more than 1000000 bytes",
        ),
    ],
)
def test_a_tool_that_gives_no_answer(code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceremonies, "PATIENCE", 0.7 if "sleep" in code else 30.0)
    monkeypatch.setattr(ceremonies, "LARGEST", 1_000_000)
    pids = tmp_path / "pid"
    with pytest.raises(CeremonyToolFailed, match=message):
        look(tool(tmp_path, f"open({str(pids)!r}, 'w').write(str(os.getpid()))\n{code}"))
    assert not Path(f"/proc/{pids.read_text()}").exists()


def test_a_tool_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CeremonyToolFailed, match="keyceremony cannot be started: No such file"):
        look(CeremonyTool(Path("kagimori.toml"), (str(tmp_path / "none"),)))


def test_a_plan_that_cannot_be_shown_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    other = {**PLAN, "digest": "00" * 32, "sequence": 4}
    found = look(tool(tmp_path, f"said({ ({**STATUS, 'plans': [PLAN, other]})!r}, {shown()!r})"))
    assert [one.untold for one in found.waiting] == ["", "keyceremony show: the plan has changed meanwhile"]


def test_too_many_plans_are_counted_not_shown(tmp_path: Path) -> None:
    found = look(tool(tmp_path, f"said({ ({**STATUS, 'plans': [PLAN] * 40})!r}, {shown()!r})"))
    assert (len(found.waiting), found.unreadable) == (32, ("8 more plans",))


def test_nothing_of_the_service_manager_reaches_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    names = "['NOTIFY_SOCKET', 'CREDENTIALS_DIRECTORY']"
    found = look(tool(tmp_path, f"said({STATUS!r} | {{'unreadable': [n for n in {names} if n in os.environ]}}, '')"))
    assert found.unreadable == ()
    assert "NOTIFY_SOCKET" in os.environ


def test_words_below_the_plans_own_do_not_count() -> None:
    """A refusal's reason stands below them, and a title above; neither can pass for the words of the digest."""
    fake = ("evil evil evil evil",) * 4
    assert read_aloud(shown(fake, "00" * 32) + shown(), DIGEST) == WORDS
    assert read_aloud(shown(fake) + shown(), DIGEST) == WORDS
    assert (
        read_aloud(shown() + f"-  officer-2\n   why:    SHA-256  {DIGEST}\n" + shown(fake, "11" * 32), DIGEST) == WORDS
    )


@pytest.mark.parametrize(
    "text",
    ["", shown(digest="00" * 32), shown(WORDS[:3]), shown((*WORDS[:3], "only three words")), f"   SHA-256  {DIGEST}"],
)
def test_without_its_words_a_plan_is_not_shown(text: str) -> None:
    with pytest.raises(CeremonyToolFailed):
        read_aloud(text, DIGEST)


def test_the_program_asked_is_this_installations_own() -> None:
    assert (sys.executable, "-P", "-m", "keyceremony.cli") == ceremonies.PROGRAM
    assert json.loads(json.dumps(STATUS)) == STATUS
