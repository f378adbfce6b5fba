"""Dual control of the PIN on real tokens, with share files: nobody sees the PIN, k officers make it, k - 1 do not."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import ceremonykit as kit
import pytest
from ceremonykit import APPLIANCE, PIN, Done, Stage

from appliance.configuration import read_pin
from tests.world import softhsm

MODULE = str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])
OFFICERS = ("officer-1", "officer-2", "officer-3")
SABOTEUR = Path(__file__).with_name("pinsaboteur.py")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Tokens with a PIN; do not change it."""
    return kit.bare(tmp_path_factory.mktemp("pin") / "bare")


@pytest.fixture
def stage(tokens: Stage, tmp_path: Path) -> Stage:
    copied = tokens.copy(tmp_path / "stage")
    (copied.folder / "shares").mkdir(mode=0o700)
    secret = copied.folder / "so-pin"
    secret.write_text(f"so-{PIN}\n")
    secret.chmod(0o600)
    return copied


def split_command(*more: str, threshold: int = 2, officers: tuple[str, ...] = OFFICERS) -> list[str]:
    to = [word for name in officers for word in ("--to", name)]
    given = ["--token", APPLIANCE, "--module", MODULE, "--threshold", str(threshold), *to]
    return ["pin", "split", *given, *more]


def split(stage: Stage, *more: str, folder: str = "shares", pin_file: str = "pin") -> Done:
    return stage.run(*split_command("--pin-file", pin_file, "--out-dir", folder, *more))


def join(stage: Stage, *names: str, out: str = "new-pin", folder: str = "shares", token: bool = True) -> Done:
    on_token = ["--token", APPLIANCE, "--module", MODULE] if token else []
    return stage.run("pin", "join", *(f"{folder}/{name}.share" for name in names), "--out", out, *on_token)


def accepts(stage: Stage, pin: str) -> bool:
    """What another program says of a PIN."""
    tool = str(softhsm()["KAGIMORI_PKCS11_TOOL"])
    command = [tool, "--module", MODULE, "--token-label", APPLIANCE, "--login", "--pin", pin, "-O"]
    done = subprocess.run(command, env=stage.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or "CKR_PIN_INCORRECT" in done.stderr
    return done.returncode == 0


def shares_of(stage: Stage) -> list[str]:
    return sorted(path.name for path in (stage.folder / "shares").iterdir())


def sabotaged(stage: Stage, fault: str) -> Done:
    command = [sys.executable, str(SABOTEUR), fault, *split_command("--pin-file", "pin", "--out-dir", "shares")]
    done = subprocess.run(command, env=stage.env, cwd=stage.folder, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def test_the_token_gets_a_pin_that_two_of_three_officers_make(stage: Stage) -> None:
    done = split(stage)
    assert done.code == 0, done.err
    assert "has a new user PIN; a login with it worked" in done.out
    assert not accepts(stage, PIN)
    pins = set()
    for number, pair in enumerate((OFFICERS[:2], OFFICERS[1:], OFFICERS[::2], OFFICERS)):
        joined = join(stage, *pair, out=f"pin-{number}")
        assert (joined.code, joined.out) == (0, f"The PIN is in pin-{number} (mode 0400); the token took it.\n")
        path = stage.folder / f"pin-{number}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        pins.add(read_pin(path))
        shown = done.out + done.err + joined.out + joined.err
        assert not any(pin in shown for pin in pins)
    (pin,) = pins
    assert len(pin) == 26
    assert accepts(stage, pin)
    for path in (stage.folder / "shares").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        assert pin not in path.read_text() + str(path)


def test_a_share_file_says_whose_it_is(stage: Stage) -> None:
    assert split(stage, "--bits", "256").code == 0
    lines = (stage.folder / "shares" / "officer-2.share").read_text().splitlines()
    serial = stage.serials[APPLIANCE]
    assert lines[:3] == ["kagimori pin share v1", f"token kagimori serial {serial}", "for officer-2, 2 of 3"]
    assert len(lines[3].split()) == 33
    assert len(lines) == 4
    assert join(stage, *OFFICERS[:2]).code == 0
    assert len(read_pin(stage.folder / "new-pin")) == 52


def test_the_security_officer_sets_the_pin_without_the_present_one(stage: Stage) -> None:
    done = stage.run(*split_command("--so", "--so-pin-file", "so-pin", "--out-dir", "shares"))
    assert done.code == 0, done.err
    assert not accepts(stage, PIN)
    assert join(stage, *OFFICERS[1:]).code == 0
    assert accepts(stage, read_pin(stage.folder / "new-pin"))


def test_a_wrong_so_pin_is_tried_once_and_deals_nothing(stage: Stage) -> None:
    done = stage.run(*split_command("--so", "--so-pin-file", "pin", "--out-dir", "shares"))
    assert done.code == 5
    assert "wrong SO PIN; it was tried once" in done.message
    assert stage.slots().count("SO PIN count low") == 1
    assert shares_of(stage) == []
    assert accepts(stage, PIN)


def test_a_wrong_present_pin_is_tried_once_and_deals_nothing(stage: Stage) -> None:
    done = split(stage, pin_file="so-pin")
    assert done.code == 5
    assert "wrong PIN; it was tried once" in done.message
    assert stage.slots().count("user PIN count low") == 1
    assert shares_of(stage) == []
    assert accepts(stage, PIN)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (split_command("--out-dir", "shares", threshold=1), "--threshold 1 with 3 officers: cannot be"),
        (split_command("--out-dir", "shares", threshold=4), "--threshold 4 with 3 officers: cannot be"),
        (
            split_command("--out-dir", "shares", officers=tuple(f"officer-{n}" for n in range(17))),
            "--threshold 2 with 17 officers: cannot be",
        ),
        (split_command("--out-dir", "shares", officers=("a", "a")), "--to a is given twice"),
        (split_command("--out-dir", "shares", officers=("../a", "b")), "--to ../a: 1 to 32 of a-z, 0-9 and -"),
        (split_command("--out-dir", "shares", "--so", "--pin-file", "pin"), "--so and --pin-file do not go together"),
        (split_command("--out-dir", "shares", "--so-pin-file", "so-pin"), "--so-pin-file needs --so"),
    ],
)
def test_impossible_splits_are_refused_before_a_pin_is_read(stage: Stage, arguments: list[str], message: str) -> None:
    done = stage.run(*arguments)
    assert done.code == 2
    assert done.message.startswith(message)
    assert done.hint
    assert shares_of(stage) == []


def test_nothing_is_overwritten_and_no_pin_is_tried(stage: Stage) -> None:
    other = stage.folder / "shares" / "officer-3.share"
    other.write_text("mine")
    done = split(stage, pin_file="so-pin")
    assert done.message == "shares/officer-3.share: exists already; nothing is overwritten"
    assert shares_of(stage) == ["officer-3.share"]
    assert other.read_text() == "mine"
    assert split(stage, folder="nowhere").message == "nowhere: no such folder"
    assert "count low" not in stage.slots()


def test_without_a_terminal_shares_are_not_shown(stage: Stage) -> None:
    done = stage.run(*split_command("--pin-file", "pin"))
    assert (done.code, done.message) == (5, "no terminal to show shares at")
    assert "--out-dir" in done.hint
    done = stage.run("pin", "join", "--out", "new-pin")
    assert (done.code, done.message) == (5, "no terminal to type shares at")
    assert accepts(stage, PIN)


# --- what goes wrong when the PIN is set -------------------------------------------------------


def test_a_token_that_refuses_the_new_pin_leaves_no_shares(stage: Stage) -> None:
    done = sabotaged(stage, "refused")
    assert done.code == 5
    assert "the token answered CKR_PIN_LEN_RANGE; the PIN the token had still holds" in done.message
    assert done.message.endswith("and the share files were removed again")
    assert shares_of(stage) == []
    assert accepts(stage, PIN)


def test_a_disk_that_is_full_half_way_leaves_no_shares(stage: Stage) -> None:
    done = sabotaged(stage, "disk-full")
    assert (done.code, done.message) == (
        1,
        "shares/officer-3.share: cannot be written (No space left on device)",
    )
    assert shares_of(stage) == []
    assert accepts(stage, PIN)


def test_shares_that_do_not_give_the_pin_again_are_noticed_before_it_is_set(stage: Stage) -> None:
    done = sabotaged(stage, "wrong-shares")
    assert done.code == 5
    assert done.message.startswith("the shares do not give the PIN again; the PIN the token had still holds")
    assert shares_of(stage) == []
    assert accepts(stage, PIN)


@pytest.mark.parametrize(("fault", "is_new"), [("lost-before", False), ("lost-after", True)])
def test_a_token_lost_at_that_moment_leaves_the_shares_which_tell(stage: Stage, fault: str, is_new: bool) -> None:
    done = sabotaged(stage, fault)
    assert done.code == 5
    assert "WHICH PIN THE TOKEN HAS NOW IS NOT CERTAIN; the shares are kept" in done.message
    assert "keyceremony pin join --token tells" in done.hint
    assert shares_of(stage) == [f"{name}.share" for name in OFFICERS]
    joined = join(stage, *OFFICERS[:2])
    assert joined.code == (0 if is_new else 5)
    assert (stage.folder / "new-pin").exists() == is_new
    if not is_new:
        assert (
            joined.message
            == "token kagimori refused the PIN of these shares; it was tried once, and nothing is written"
        )
        assert joined.hint == "are they of the last split of this token?"


def test_a_pin_that_does_not_let_in_is_noticed_at_once(stage: Stage) -> None:
    done = sabotaged(stage, "another")
    assert done.code == 5
    assert "wrong PIN; it was tried once; WHICH PIN THE TOKEN HAS NOW IS NOT CERTAIN" in done.message
    assert shares_of(stage) == [f"{name}.share" for name in OFFICERS]


def test_ctrl_c_while_the_pin_is_set_does_not_part_it_from_its_shares(stage: Stage) -> None:
    done = sabotaged(stage, "ctrl-c")
    assert (done.code, done.message) == (1, "stopped")
    assert shares_of(stage) == [f"{name}.share" for name in OFFICERS]
    assert join(stage, *OFFICERS[:2]).code == 0


# --- what goes wrong when it is joined ---------------------------------------------------------


@pytest.fixture(scope="module")
def dealt(tokens: Stage, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Shares of an earlier split in ``old``, of the last one in ``shares``; do not change it."""
    stage = tokens.copy(tmp_path_factory.mktemp("pin") / "dealt")
    for folder in ("old", "shares"):
        (stage.folder / folder).mkdir(mode=0o700)
    assert split(stage, folder="old").code == 0
    assert join(stage, *OFFICERS[:2], folder="old", out="old-pin").code == 0
    assert split(stage, pin_file="old-pin").code == 0
    return stage


@pytest.fixture
def split_twice(dealt: Stage, tmp_path: Path) -> Stage:
    return dealt.copy(tmp_path / "dealt")


def refused(stage: Stage, done: Done, message: str) -> None:
    assert done.code == 5
    assert done.message == message
    assert done.hint
    assert not (stage.folder / "new-pin").exists()
    assert "count low" not in stage.slots(), "no PIN was tried"


def test_too_few_shares(split_twice: Stage) -> None:
    refused(split_twice, join(split_twice, "officer-2"), "2 shares are needed, 1 given")


def test_the_same_share_twice(split_twice: Stage) -> None:
    refused(split_twice, join(split_twice, "officer-2", "officer-2"), "shares 1 and 2 are the same share")


def test_shares_of_two_splits(split_twice: Stage) -> None:
    shutil.copy(split_twice.folder / "old" / "officer-1.share", split_twice.folder / "shares" / "other.share")
    refused(split_twice, join(split_twice, "other", "officer-2"), "shares of different splits are mixed")


def test_shares_of_two_tokens(split_twice: Stage) -> None:
    path = split_twice.folder / "shares" / "officer-1.share"
    path.chmod(0o600)
    path.write_text(path.read_text().replace("token kagimori", "token officer-1"))
    done = join(split_twice, "officer-1", "officer-2")
    assert done.message.startswith("shares of different splits are mixed: token kagimori serial ")


def test_shares_of_another_token_than_the_one_named(split_twice: Stage) -> None:
    given = ["shares/officer-1.share", "shares/officer-2.share", "--out", "new-pin"]
    done = split_twice.run("pin", "join", *given, "--token", "officer-1", "--module", MODULE)
    serial = split_twice.serials[APPLIANCE]
    refused(split_twice, done, f"these shares are for token kagimori, serial {serial}, not for officer-1")


def test_an_altered_word(split_twice: Stage) -> None:
    path = split_twice.folder / "shares" / "officer-1.share"
    path.chmod(0o600)
    *head, last = path.read_text().splitlines()
    words = last.split()
    words[7] = "academic" if words[7] != "academic" else "acid"
    path.write_text("\n".join([*head, " ".join(words)]) + "\n")
    done = join(split_twice, "officer-1", "officer-2")
    assert done.message.startswith("shares/officer-1.share: the checksum does not fit: a word is wrong, or two are")
    words[7] = "xyzzy"
    path.write_text("\n".join([*head, " ".join(words)]) + "\n")
    refused(
        split_twice,
        join(split_twice, "officer-1", "officer-2"),
        "shares/officer-1.share: word 8: not in the list of words",
    )


def test_a_file_that_is_no_share(split_twice: Stage) -> None:
    (split_twice.folder / "shares" / "other.share").write_text("a letter\n")
    refused(split_twice, join(split_twice, "other", "officer-2"), "shares/other.share: not a PIN share")


def test_an_earlier_splits_pin_is_tried_once_and_not_written(split_twice: Stage) -> None:
    done = join(split_twice, *OFFICERS[:2], folder="old")
    assert done.code == 5
    assert done.message == "token kagimori refused the PIN of these shares; it was tried once, and nothing is written"
    assert split_twice.slots().count("user PIN count low") == 1
    assert not (split_twice.folder / "new-pin").exists()


def test_an_existing_file_is_not_overwritten(split_twice: Stage) -> None:
    done = join(split_twice, *OFFICERS[:2], out="pin")
    assert (done.code, done.message) == (1, "pin: exists already; nothing is overwritten")
    assert (split_twice.folder / "pin").read_text() == f"{PIN}\n"


def test_without_a_token_it_is_written_and_said_to_be_untried(split_twice: Stage) -> None:
    done = join(split_twice, *OFFICERS[:2], token=False)
    assert (done.code, done.out) == (0, "The PIN is in new-pin (mode 0400); not tried on a token.\n")
    assert accepts(split_twice, read_pin(split_twice.folder / "new-pin"))
