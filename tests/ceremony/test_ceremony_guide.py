"""The ceremony guide is run as it stands: files written, commands typed at a terminal, their output compared."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import ceremonykit as kit
import guidekit
import pytest
from guidekit import Command, Learnt, Reader, Written

from appliance.ledger import chain, files
from keyceremony.table import papers
from keyceremony.words import last_four
from tests.world import PROJECT, softhsm

PAGES = [PROJECT / "docs" / f"ceremony-{name}.md" for name in ("guide", "trouble", "changes")]
GUIDE = PAGES[0]
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
FOLDER, STICK = "/srv/kagimori", "/media/stick"
PASSPHRASE = "correct horse battery staple"
PEOPLE = ("officer-1", "officer-2", "officer-4", "oversight-1", "oversight-1-new")
TOKENS = ("kagimori-1", "backup-1", "scratch", "kagimori-2", "kagimori-b")
KILLED_AT = (8, 9)  # lines of the journal: a key and its copy are made, and not yet named
SERIAL = re.compile(r"^\| `(?P<label>[\w-]+)` \| `(?P<serial>[0-9a-f]{16})` \|", re.MULTILINE)


def reader(folder: Path) -> Reader:
    """Everybody's tokens in a folder, and somebody who knows every PIN."""
    stage = kit.bare(folder, (*TOKENS, *PEOPLE))
    (folder / "pin").unlink()  # the guide makes its own
    (folder / "stick").mkdir()
    guidekit.lay_out_tools(folder)
    typed = [""]

    def words(asked: re.Match[str]) -> str:
        plan = re.search(r"\S+\.json", typed[0])
        assert plan
        return last_four(papers.load_plan(folder / plan[0]).words)

    def before(command: str) -> None:
        typed[0] = command
        if command.startswith("systemctl stop"):
            lose(stage)

    def own_pin(asked: re.Match[str]) -> str:
        dealt = folder / "pin"
        return dealt.read_text().strip() if "--token-label kagimori-1 " in typed[0] else kit.PIN

    return Reader(
        stage,
        answers={
            r"\(SO\) PIN of token \S+: $": lambda asked: f"so-{kit.PIN}",
            r"PIN of token \S+: $": lambda asked: kit.PIN,
            r"Please enter User PIN: $": own_pin,
            r"(New passphrase for|The same passphrase|Passphrase of) .*: $": lambda asked: PASSPHRASE,
            r"LAST FOUR words .*: $": words,
            r"Type what it is about \((.*)\): $": lambda asked: asked[1],
        },
        replacements={MODULE: str(softhsm()["KAGIMORI_SOFTHSM_MODULE"]), STICK: f"{folder}/stick", FOLDER: str(folder)},
        kills=iter(KILLED_AT),
        before=before,
    )


def lose(stage: kit.Stage) -> None:
    """The appliance's token is gone: the reason for section 8."""
    tool = str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"])
    subprocess.run([tool, "--delete-token", "--token", "kagimori-1"], env=stage.env, check=True, capture_output=True)


def stop(reading: Reader) -> None:
    """End the daemon if it still runs."""
    reading.type("systemctl stop kagimori")


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, dict[Path, int]]]:
    """All pages carried out, one after the other; how many commands of each were run."""
    reading = reader(tmp_path_factory.mktemp("guide") / "kagimori")
    try:
        for label, serial in SERIAL.findall(GUIDE.read_text("utf-8")):
            reading.learnt.add(serial, reading.stage.serials[label])
        yield reading, {page: reading.read(page.read_text("utf-8")) for page in PAGES}
    finally:
        stop(reading)


def test_every_command_of_the_guide_is_run_and_shows_what_the_page_shows(read: tuple[Reader, dict[Path, int]]) -> None:
    _, run = read
    for page in PAGES:
        assert run[page] == len(re.findall(r"^\s*\$ ", page.read_text("utf-8"), re.MULTILINE)), page
    assert sum(run.values()) > 100


def test_the_life_that_the_guide_leads_is_the_one_it_tells(read: tuple[Reader, dict[Path, int]]) -> None:
    reading, _ = read
    anchor = papers.load_plan(reading.stage.ledger / "pending/carried-out/000001.1/000001.plan.json").digest
    state = chain.verify(files.read(reading.stage.ledger), anchor)
    assert state.sequence == 20
    assert [(clone.label, clone.log_name) for clone in state.clones.values()] == [("kagimori-b", "osaka")]
    assert state.token_label == "kagimori-2"
    assert {str(generation): str(key.state) for generation, key in state.keys.items()} == {
        **{f"{domain}.1": "active" for domain in ("common", "spin", *(f"sspin.{sector}" for sector in "ABEFG"))},
        "tag.1": "active",
        "log.1": "lost",
        "log.2": "active",
        "sspin.C.1": "destroyed",
        "sspin.C.2": "active",
    }
    assert {person.id for person in state.roster.people} == {"officer-1", "officer-2", "officer-4", "oversight-1"}


def test_no_secret_is_in_what_the_guide_shows() -> None:
    shown = "".join(page.read_text("utf-8") for page in PAGES)
    assert not re.search(rf"{kit.PIN}|{PASSPHRASE}", shown)


@pytest.mark.parametrize(
    "page",
    ["```sh\n$ keyceremony status\n```\n", "```\nkeyceremony status\n```\n", "```console\nkeyceremony status\n```\n"],
)
def test_a_block_that_would_not_be_run_is_refused(page: str) -> None:
    with pytest.raises(AssertionError, match="line 2: "):
        list(guidekit.steps(page))


def test_a_page_is_taken_apart() -> None:
    page = "`a.toml`:\n\n```toml\nb = 1\n```\n\n```console\n$ one \\\n    two\nshown\n$ three\n…\nKilled\n```\n"
    assert list(guidekit.steps(page)) == [
        Written("a.toml", "b = 1\n"),
        Command(8, "one     two", ("shown",)),
        Command(11, "three", ("…", "Killed")),
    ]


REAL = [
    "Plan 3: First keys",
    "   expires  2026-11-26T11:57:04Z",
    "   1.  client ruler clock miracle",
    f"   head  {'ab' * 32}",
]
OTHER = [
    "Plan 3:   First keys",
    "   expires  2031-01-01T00:00:00Z",
    "   1.  mixed year lunch plot",
    f"   head  {'cd' * 32}",
]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (REAL, ""),
        (["Plan 3: First keys", "…"], ""),
        (["…", f"   head     {'cd' * 32}"], ""),
        (OTHER, ""),
        (["Plan 4: First keys", "…"], "Plan 4: First keys"),
        (["Plan 3: First keys"], "the page does not show:\n   expires"),
        (["Plan 3: First keys", f"   head  {'ab' * 32}"], "is not in the output there"),
        ([*REAL, "…"], ""),
        ([*REAL, "and more"], "is not in the output there"),
        (["…", "   1.  client ruler clock"], "is not in the output there"),
    ],
)
def test_output_is_compared_line_by_line(shown: list[str], why: str) -> None:
    said = guidekit.compare(tuple(shown), REAL, Learnt())
    assert (why in said) if why else not said


def test_what_varies_must_be_the_same_wherever_the_page_repeats_it() -> None:
    learnt = Learnt()
    page, real = "ab" * 32, "cd" * 32
    assert learnt.matches(f"SHA-256  {page}", f"SHA-256  {real}")
    assert learnt.translate(f"--at-least 3:{page}") == f"--at-least 3:{real}"
    assert not learnt.matches(f"head {page}", f"head {'ef' * 32}")
    assert not learnt.matches(f"head {'01' * 32}", f"head {real}")
    assert learnt.matches("took 3 ms, 49,238 bytes", "took 14 ms, 1,000 bytes")
    assert not learnt.matches("took 3 ms", "took 3 s")
