"""``appliance card``: the citizen's tool as a process, with cards on SoftHSM tokens, at a terminal and without one."""

from __future__ import annotations

import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cardkit import DAY, PIN, PORTAL, TOOL, CardWorld, TokenCard, build, cards, number

from appliance.portal.card_words import WORDS
from appliance.portal.signin.authority import Authorities
from appliance.portal.signin.challenge import Challenges
from appliance.portal.signin.door import Door
from appliance.portal.signin.holders import Holders
from appliance.portal.signin.journal import Journal
from appliance.portal.signin.reasons import SignInRefused
from tests.world import init_token, softhsm


@dataclass
class Place:
    """A portal's door, by the clock of this machine, and two cards."""

    world: CardWorld
    door: Door
    rsa: TokenCard
    ec: TokenCard


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    world = build(tmp_path_factory.mktemp("cards") / "world")
    rsa, ec = world.token_card("citizen-rsa", "rsa"), world.token_card("citizen-ec", "ec")
    for place, card in enumerate((rsa, ec), 20):
        world.register(card.certificate, number(place), "市民 花子")
    world.refresh()
    holders = Holders(world.holders_path)
    yield Place(
        world,
        Door(
            Challenges(PORTAL),
            Authorities([world.authority_path], [world.crl_path]),
            holders,
            Journal(world.folder / "journal"),
        ),
        rsa,
        ec,
    )
    holders.close()


def signing(card: TokenCard, *more: str | Path, challenge: str, **env: str) -> Any:
    return card.tool("sign", "--pin-file", card.pin_file, *more, challenge=challenge, **env)


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_both_kinds_of_cards_sign_in(place: Place, name: str) -> None:
    card: TokenCard = getattr(place, name)
    challenge = place.door.begin("browser")
    done = signing(card, "--portal", PORTAL, challenge=challenge.text + "\n")
    assert done.returncode == 0
    assert f"portal: {PORTAL}\n" in done.stderr
    assert f"Paste the answer only into a page whose address begins with {PORTAL}/" in done.stderr
    assert PIN not in done.stdout + done.stderr
    entered = place.door.enter("browser", done.stdout)
    assert entered == place.world.authority.card_id(card.certificate)


def test_openssl_knows_who_signed_what(place: Place, tmp_path: Path) -> None:
    challenge = place.door.begin("browser")
    (tmp_path / "answer").write_text(place.ec.answer(challenge.text))
    words = f"cms -verify -inform PEM -in answer -CAfile {place.world.authority_path} -purpose any"
    done = subprocess.run([str(softhsm()["KAGIMORI_OPENSSL"]), *words.split()], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stdout) == (0, challenge.document), done.stderr


def test_challenge_from_a_file_answer_into_a_file(place: Place, tmp_path: Path) -> None:
    challenge, answer = tmp_path / "challenge.json", tmp_path / "answer.txt"
    challenge.write_text(place.door.begin("browser").text)
    done = signing(place.rsa, "--portal", PORTAL, "--out", answer, challenge, challenge="")
    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(answer.stat().st_mode) == 0o600
    assert place.door.enter("browser", answer.read_text())
    again = signing(place.rsa, "--portal", PORTAL, "--out", answer, challenge, challenge="")
    assert again.returncode == 5
    assert f"error: {answer}: is there already" in again.stderr


# --- what it does not sign, and when it tries no PIN ---------------------------------------------------------


def logins(place: Place, tmp_path: Path, *more: str | Path, challenge: str) -> tuple[int, Any]:
    """How often the card was logged in to, as OpenSC's spy between tool and card saw it; and what came of it."""
    seen = tmp_path / "spy"
    spied = {"PKCS11SPY": str(place.rsa.module), "PKCS11SPY_OUTPUT": str(seen)}
    words = [sys.executable, "-c", TOOL, "sign", "--label", place.rsa.label]
    words += ["--module", str(softhsm()["KAGIMORI_PKCS11_SPY"]), *map(str, more)]
    done = subprocess.run(
        words,
        env={**place.rsa.env, **spied},
        input=challenge,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    return seen.read_text(errors="replace").count("C_Login\n") if seen.exists() else 0, done


def test_a_wrong_pin_is_tried_once(place: Place, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(0o600)
    wrong.write_text("0000\n")
    challenge = place.door.begin("browser").text
    times, done = logins(place, tmp_path, "--portal", PORTAL, "--pin-file", wrong, challenge=challenge)
    assert (times, done.returncode, done.stdout) == (1, 5, "")
    assert "wrong PIN; it was tried once" in done.stderr and "0000" not in done.stderr
    said = signing(place.rsa, "--pin-file", wrong, "--portal", PORTAL, challenge=challenge, LC_ALL="ja_JP.UTF-8")
    assert said.returncode == 5
    assert "error: 暗証番号（PIN）が違います。試したのは1回だけです\nhint: 続けて間違えると" in said.stderr
    assert place.rsa.answer(challenge)


@pytest.mark.parametrize(
    ("portal", "words"),
    [
        ("https://evil.example", f"the challenge is of {PORTAL}, not of https://evil.example; nothing was signed"),
        (f"{PORTAL}/", f"--portal {PORTAL}/: not an origin"),
        (None, "there is no terminal to ask at"),
    ],
)
def test_no_pin_is_tried_for_another_portal_or_without_consent(
    place: Place, tmp_path: Path, portal: str | None, words: str
) -> None:
    more = ["--pin-file", place.rsa.pin_file, *(["--portal", portal] if portal else [])]
    times, done = logins(place, tmp_path, *more, challenge=place.door.begin("browser").text)
    assert (times, done.stdout) == (0, "")
    assert done.returncode in (1, 5)
    assert f"error: {words}" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I owe you a million yen",
        '{"type":"kagimori/plan"}',
        "A" * 10_000,
        '{"expires":"2026-04-01T09:05:00Z","issued":"2026-04-01T09:00:00Z","nonce":"short","portal":"https://a.example",'
        '"type":"kagimori/portal-sign-in"}',
    ],
)
def test_it_signs_nothing_but_challenges(place: Place, tmp_path: Path, text: str) -> None:
    more = ["--pin-file", place.rsa.pin_file, "--portal", PORTAL]
    times, done = logins(place, tmp_path, *more, challenge=text)
    assert (times, done.returncode, done.stdout) == (0, 5, "")
    assert "error: -: not a sign-in challenge" in done.stderr
    assert "this tool signs nothing else" in done.stderr


def test_other_mistakes_are_one_line_and_a_hint(place: Place, tmp_path: Path) -> None:
    challenge = place.door.begin("browser").text
    for changed, words in (
        ({"label": "nobody"}, "no token has label 'nobody'"),
        ({"module": tmp_path / "none.so"}, "there is no such file"),
    ):
        given: dict[str, Any] = {"module": place.rsa.module, "label": place.rsa.label, **changed}
        options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        done = subprocess.run(
            [sys.executable, "-c", TOOL, "show", *options],
            env=place.rsa.env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 5 and words in done.stderr
        assert len(done.stderr.splitlines()) == 2
    missing = signing(place.rsa, "--portal", PORTAL, tmp_path / "none.json", challenge=challenge)
    assert f"error: {tmp_path}/none.json: No such file or directory" in missing.stderr


# --- at a terminal ------------------------------------------------------------------------------------------


def at_terminal(card: TokenCard, challenge: Path, typed: list[tuple[str, str]], **env: str) -> tuple[int, str]:
    """Run ``card sign`` at a terminal; for each prompt, what is typed. Exit code and all that the terminal showed."""
    words = [sys.executable, "-m", "appliance.cli", "card", "sign", "--module", str(card.module), "--label", card.label]
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover
        os.execve(sys.executable, [*words, str(challenge)], {**card.env, **env})
    shown = b""
    try:
        for prompt, line in typed:
            while prompt.encode() not in shown:
                shown += os.read(terminal, 4096)
            os.write(terminal, line.encode() + b"\n")
        while True:
            shown += os.read(terminal, 4096)
    except OSError:  # the terminal was closed by its last user
        pass
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_a_person_agrees_and_types_the_pin(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "challenge"
    path.write_text(place.door.begin("browser").text)
    code, shown = at_terminal(place.ec, path, [("Sign in there? [y/N] ", "y"), ("PIN of the card citizen-ec: ", PIN)])
    assert code == 0
    assert PIN not in shown
    answer = re.search(r"-----BEGIN CMS-----.*-----END CMS-----", shown, re.DOTALL)
    assert answer and place.door.enter("browser", answer[0])


def test_a_person_who_does_not_agree_is_not_asked_for_the_pin(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "challenge"
    path.write_text(place.door.begin("browser").text)
    agree = WORDS["ja"]["agree"]
    code, shown = at_terminal(place.rsa, path, [(agree, "")], LC_ALL="ja_JP.UTF-8")
    assert code == 1
    assert "カードで次のポータルにサインインします。" in shown and "error: 署名しませんでした" in shown
    assert "暗証番号" not in shown and "BEGIN" not in shown


# --- what is on the card --------------------------------------------------------------------------------------


def test_show_needs_no_pin_and_tells_what_is_in_force(place: Place) -> None:
    shown = place.ec.tool("show")
    assert shown.returncode == 0
    assert "key: EC secp384r1" in shown.stdout and "(in force)" in shown.stdout
    assert f"serial: {place.ec.certificate.serial_number:x}" in shown.stdout
    assert "Demo" in shown.stdout
    in_japanese = place.ec.tool("show", "--lang", "ja")
    assert "（有効）" in in_japanese.stdout and "シリアル番号: " in in_japanese.stdout


def test_an_expired_card_signs_so_that_the_portal_can_say_so(place: Place) -> None:
    old = datetime.now(UTC) - 800 * DAY
    card = place.world.token_card("old", "ec", {"begins": old, "lasts": 700 * DAY})
    shown = card.tool("show")
    assert shown.returncode == 1 and "(EXPIRED)" in shown.stdout
    with pytest.raises(SignInRefused, match="the certificate has expired"):
        place.door.enter("browser", card.answer(place.door.begin("browser").text))


def test_a_token_without_a_certificate_for_signing_in(place: Place, tmp_path: Path) -> None:
    """An authority's own certificate does not count."""
    init_token(tmp_path, "bare", PIN)
    bare = TokenCard(tmp_path, "bare", place.rsa.certificate)
    os.close(os.open(bare.pin_file, os.O_CREAT, 0o600))
    bare.pin_file.write_text(PIN)
    tool = cards.Card(softhsm()["KAGIMORI_PKCS11_TOOL"], bare.module, "bare", bare.pin_file, bare.env)
    tool.keep(place.world.authority.certificate)
    done = bare.tool("sign", "--portal", PORTAL, challenge=place.door.begin("browser").text)
    assert done.returncode == 5 and "the card bare shows no certificate for signing in" in done.stderr


def test_of_several_the_one_in_force_is_taken_or_one_must_be_named(place: Place) -> None:
    card = place.world.token_card("several", "ec")
    tool = cards.Card(softhsm()["KAGIMORI_PKCS11_TOOL"], card.module, card.label, card.pin_file, card.env)
    old = place.world.authority.issue(
        card.certificate.public_key(), begins=card.certificate.not_valid_before_utc - 9 * DAY, lasts=DAY
    )
    tool.keep(old)
    assert place.world.authority.card_id(card.certificate).serial in card.tool("show").stdout
    assert card.answer(place.door.begin("browser").text)
    tool.keep(place.world.authority.issue(card.certificate.public_key()))
    done = card.tool("sign", "--portal", PORTAL, challenge=place.door.begin("browser").text)
    assert done.returncode == 5
    assert "the card several has several certificates for signing in" in done.stderr and "--id" in done.stderr


def test_both_languages_say_the_same_things() -> None:
    assert WORDS["ja"].keys() == WORDS["en"].keys()
    for key, text in WORDS["en"].items():
        assert set(re.findall(r"{\d}", text)) == set(re.findall(r"{\d}", WORDS["ja"][key])), key
