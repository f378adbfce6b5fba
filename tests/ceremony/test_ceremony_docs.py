"""docs/ceremony.md is run as it stands: its files are written, its commands typed at a terminal, in its order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ceremonykit import APPLIANCE, PIN, Stage, bare

from appliance.ledger import chain, files
from keyceremony import papers
from keyceremony.words import last_four
from tests.world import PROJECT, softhsm

TEXT = (PROJECT / "docs" / "ceremony.md").read_text(encoding="utf-8")
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PASSPHRASE = "correct horse battery staple"


def test_the_walk_through_works_as_written(tmp_path: Path) -> None:
    stage = bare(tmp_path / "stage")
    module = str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])
    setup, configuration = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (stage.folder / "setup.toml").write_text(setup.replace("0123456789abcdef", stage.serials[APPLIANCE]))
    commands = re.findall(r"^\$ keyceremony (.*)$", TEXT, re.MULTILINE)
    assert len(commands) > 20
    for command in commands:
        arguments = shlex.split(command.replace(MODULE, module))
        code, shown = stage.on_terminal(arguments, _answers(stage, arguments))
        assert code == 0, f"keyceremony {command}\n{shown}"
        if arguments[:2] == ["plan", "genesis"]:
            stage.anchor = papers.load_plan(stage.folder / "ledger/pending/000001.plan.json").digest
            assert f'trust_anchor = "{stage.anchor}"' in shown
            pinned = configuration.replace("0" * 64, stage.anchor).replace(MODULE, module)
            (stage.folder / "kagimori.toml").write_text(pinned)
    state = chain.verify(files.read(stage.ledger), stage.anchor)
    assert state.sequence == 3
    assert {str(generation): str(key.state) for generation, key in state.keys.items()} == {
        "common.1": "active",
        "spin.1": "active",
        "sspin.B.1": "active",
        "sspin.C.1": "suspended",
        "sspin.E.1": "active",
    }
    assert "holds every key of the ledger, and no other" in shown


def _answers(stage: Stage, arguments: list[str]) -> list[tuple[str, str]]:
    """What a person would type."""
    key = {"--pem": "Passphrase of officer-3.pem", "--token": "PIN of token"}
    if arguments[0] == "approve":
        words = last_four(papers.load_plan(stage.folder / arguments[1]).words)
        option = next(option for option in key if option in arguments)
        return [("LAST FOUR words", words), (key[option], PASSPHRASE if option == "--pem" else PIN)]
    if arguments[0] == "enroll" and "--pem" in arguments:
        return [("New passphrase", PASSPHRASE), ("The same passphrase again", PASSPHRASE)]
    return [("PIN of token", PIN)] if arguments[0] == "enroll" else []
