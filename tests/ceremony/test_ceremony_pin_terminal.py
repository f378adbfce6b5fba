"""PIN shares at a terminal: each officer sees theirs alone, proves it, and types it again later without an echo."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import ceremonykit as kit
import pytest
from ceremonykit import PIN, Stage
from shamir_mnemonic.wordlist import WORDLIST
from terminalkit import Terminal
from test_ceremony_pin import MODULE, OFFICERS, accepts, split_command

from appliance.configuration import read_pin
from keyceremony.commands import pin
from keyceremony.pin import pinterminal

WIPED = "\x1b[2J\x1b[3J\x1b[H\x1b[?1049l"
SHOWN = "Press Enter when all of it is written down"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return kit.bare(tmp_path / "stage")


def on_screen(text: str, words: list[str]) -> list[str]:
    """Which of the words can be read in the text, not counting those that the program itself says."""
    sources = [*Path(pinterminal.__file__).parent.glob("*.py"), Path(pin.__file__)]
    said = set(re.findall("[a-z]+", "".join(source.read_text() for source in sources)))
    return [word for word in words if word not in said and re.search(rf"\b{word}\b", text)]


def words_on(page: str) -> list[str]:
    """What an officer writes down."""
    return [word for _, word in sorted((int(n), word) for n, word in re.findall(r"(\d+)\. ([a-z]+)", page))]


def read_page(terminal: Terminal, officer: str) -> list[str]:
    terminal.until(f"{officer}: press Enter to see your words")
    terminal.type()
    words = words_on(terminal.until(SHOWN))
    assert len(words) == 20
    return words


def answer(terminal: Terminal, officer: str, words: list[str], wrong: str | None = None) -> None:
    for _ in range(2):
        asked = re.search(r"type word (\d+) \(", terminal.until("(not shown): "))
        assert asked
        terminal.type(wrong or words[int(asked[1]) - 1])


def take(terminal: Terminal, officer: str) -> list[str]:
    """See one's words, write them down, prove it."""
    words = read_page(terminal, officer)
    terminal.type()
    answer(terminal, officer, words)
    terminal.until(f"{officer} has share")
    return words


def deal(stage: Stage) -> tuple[dict[str, list[str]], str, str]:
    """What each officer wrote down, what the terminal showed, what others could read of the process."""
    with Terminal(stage, *split_command("--pin-file", "pin")) as terminal:
        terminal.until("Share 1 of 3 is for officer-1. The others look away.")
        known = terminal.known_to_others()
        written = {officer: take(terminal, officer) for officer in OFFICERS}
        assert terminal.end() == 0, terminal.shown
        return written, terminal.shown, known


def test_dealt_and_joined_at_a_terminal(stage: Stage) -> None:
    written, shown, known = deal(stage)
    assert not accepts(stage, PIN)
    assert shown.count(WIPED) == 3
    left = re.sub(r"\x1b\[\?1049h.*?\x1b\[\?1049l", "", shown, flags=re.DOTALL)  # what stays on the ordinary screen
    assert "officer-3 has share 3" in left
    for words in written.values():
        assert on_screen(shown, words) and not on_screen(left, words)
        assert " ".join(words) not in known
    with Terminal(stage, "pin", "join", "--out", "new-pin", "--token", "kagimori", "--module", MODULE) as terminal:
        terminal.until("Share 1: its words")
        terminal.type(" ".join(word[:4] for word in written["officer-3"]))
        terminal.until("Taken. Shares still missing: 1")
        terminal.until("Share 2: its words")
        terminal.type(" ".join(written["officer-1"]))
        terminal.until("Taken. That is all.")
        assert terminal.end() == 0, terminal.shown
        typed = terminal.shown
    joined = read_pin(stage.folder / "new-pin")
    assert accepts(stage, joined)
    assert joined not in shown + known + typed
    assert not on_screen(typed, written["officer-1"]), "typed without an echo"


def test_who_cannot_name_two_words_sees_them_again(stage: Stage) -> None:
    with Terminal(stage, *split_command("--pin-file", "pin")) as terminal:
        words = read_page(terminal, "officer-1")
        terminal.type()
        answer(terminal, "officer-1", words, wrong=next(word for word in WORDLIST if word not in words))
        terminal.until("That is not what was shown. The words come again")
        assert words_on(terminal.until(SHOWN)) == words
        terminal.type()
        answer(terminal, "officer-1", words)
        terminal.until("officer-1 has share 1.")
        assert accepts(stage, PIN), "nothing is set before everybody has theirs"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_the_screen_is_wiped_and_the_pin_holds(stage: Stage, number: signal.Signals) -> None:
    with Terminal(stage, *split_command("--pin-file", "pin")) as terminal:
        read_page(terminal, "officer-1")
        assert WIPED not in terminal.shown
        terminal.interrupt(number)
        assert terminal.end() == 1
        assert "error: stopped" in terminal.shown.partition(WIPED)[2]
    assert accepts(stage, PIN)


def test_a_terminal_that_cannot_be_wiped_shows_no_share(stage: Stage) -> None:
    with Terminal(stage, *split_command("--pin-file", "pin"), term="dumb") as terminal:
        assert terminal.end() == 5
        assert "this terminal's screen cannot be wiped (TERM), so no share is shown" in terminal.shown
        assert "hint: give --out-dir" in terminal.shown


def test_flaws_are_told_at_once_and_the_others_need_not_type_again(stage: Stage) -> None:
    (stage.folder / "shares").mkdir()
    (stage.folder / "old").mkdir()
    stage.must(*split_command("--pin-file", "pin", "--out-dir", "old"))
    stage.must("pin", "join", "old/officer-1.share", "old/officer-2.share", "--out", "old-pin")
    stage.must(*split_command("--pin-file", "old-pin", "--out-dir", "shares"))
    words = {
        (folder, officer): (stage.folder / folder / f"{officer}.share").read_text().splitlines()[-1]
        for folder in ("old", "shares")
        for officer in OFFICERS
    }
    first, second = words["shares", "officer-1"], words["shares", "officer-2"]
    altered = second.split()
    altered[4] = "academic" if altered[4] != "academic" else "acid"
    with Terminal(stage, "pin", "join", "--out", "new-pin") as terminal:
        for typed, told in (
            (first.replace(first.split()[11], "xyzzy"), r"Not taken: words? .*\b12\b.*: not in the list of words"),
            (first.rsplit(" ", 1)[0], "Not taken: 19 words: a share has 20"),
            (first, "Taken. Shares still missing: 1"),
            (first, "Not taken: shares 1 and 2 are the same share"),
            (words["old", "officer-2"], "Not taken: shares of different splits are mixed"),
            (" ".join(altered), "Not taken: the checksum does not fit"),
            (second, "Taken. That is all."),
        ):
            terminal.until("not shown): ")
            terminal.type(typed)
            part = terminal.until("aken")
            part += terminal.until("\n")
            assert re.search(told, part), part
        assert terminal.end() == 0
        assert not on_screen(terminal.shown, second.split())
    assert accepts(stage, read_pin(stage.folder / "new-pin"))
