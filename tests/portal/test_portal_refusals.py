"""Who is not let in gets a page that says why and what to do, in their language; and a line is written about it."""

from __future__ import annotations

import re

import pytest

from appliance.portal.naming import PACKAGE
from appliance.portal.signin.reasons import Reason
from appliance.web.wording import LANGUAGES, Words
from tests.portal.conftest import Stage
from tests.portal.portalkit import Citizen
from tests.web.pagekit import Page

CARDS = {
    "expired": (Reason.EXPIRED, "お住まいの市区町村の窓口で、電子証明書を更新してください。"),
    "early": (Reason.NOT_YET_VALID, "有効期間の始まる日を確かめてください。"),
    "revoked": (Reason.REVOKED, "お住まいの市区町村の窓口にご相談ください。"),
    "held": (Reason.REVOKED, "お住まいの市区町村の窓口にご相談ください。"),
    "foreign": (Reason.OTHER_AUTHORITY, "公的個人認証の電子証明書が入ったカードをお使いください。"),
    "stranger": (Reason.UNKNOWN_HOLDER, "翌日になっても続く場合は"),
}


def reason(page: Page) -> str:
    """The reason on a page of refusal."""
    found = re.search(r'<section class="notice bad" id="(\w+)"', page.text)
    assert found is not None, page.words
    return found[1]


def refused(stage: Stage, page: Page, why: Reason, status: int = 403) -> None:
    """It is the page for the reason, the journal has it, and nobody is signed in."""
    assert (page.status, reason(page)) == (status, why.value)
    assert Words("ja", PACKAGE)(f"refused.{why.value}_title") in page.words
    assert 'href="/sign-in"' in page.text
    last = stage.portal.journal[-1]
    assert (last["event"], last["reason"]) == ("refused", why.value)


@pytest.mark.parametrize("card", CARDS)
def test_a_card_that_is_no_good(stage: Stage, card: str) -> None:
    why, hint = CARDS[card]
    citizen = stage.portal.citizen()
    page = citizen.sign_in(stage.scene.cards.cards[card])
    refused(stage, page, why)
    assert hint in page.words
    assert citizen.get("/history", follow=False).headers["location"] == "/sign-in"


def test_an_answer_is_good_once(stage: Stage) -> None:
    citizen = stage.portal.citizen()
    answer = stage.scene.cards.cards["rsa"].answer(citizen.get("/sign-in").pre("challenge"))
    form = citizen.page
    stolen = Citizen(citizen.origin, citizen.port, cookies=dict(citizen.cookies), page=form)
    assert citizen.answer(answer).status == 200
    stolen.get("/sign-in")
    refused(stage, stolen.answer(answer), Reason.NOT_YOURS)  # the session it was for is over
    citizen.post("/sign-out")
    citizen.get("/sign-in")
    refused(stage, citizen.answer(answer), Reason.NOT_YOURS)


def test_an_answer_sent_twice_in_the_same_session(stage: Stage) -> None:
    """A card without a holder leaves the session as it was, and the challenge used."""
    citizen = stage.portal.citizen()
    answer = stage.scene.cards.cards["stranger"].answer(citizen.get("/sign-in").pre("challenge"))
    refused(stage, citizen.answer(answer), Reason.UNKNOWN_HOLDER)
    citizen.get("/sign-in")
    refused(stage, citizen.answer(answer), Reason.REPLAYED)


def test_another_browsers_challenge(stage: Stage) -> None:
    """What somebody was tricked into signing for another browser."""
    attacker, victim = stage.portal.citizen(), stage.portal.citizen()
    challenge = attacker.get("/sign-in").pre("challenge")
    victim.get("/sign-in")
    answer = stage.scene.cards.cards["rsa"].answer(challenge)
    refused(stage, victim.answer(answer), Reason.NOT_YOURS)


def test_what_is_no_answer(stage: Stage) -> None:
    citizen = stage.portal.citizen()
    for text in ("", "hello", "-----BEGIN CMS-----\nAAAA\n-----END CMS-----", "é" * 100, "A" * 60_000):
        citizen.get("/sign-in")
        refused(stage, citizen.answer(text), Reason.MALFORMED)
    citizen.get("/sign-in")
    page = citizen.answer("A" * 70_000)
    assert page.status == 413
    assert "お送りいただいた内容が大きすぎます" in page.words


def test_something_else_that_was_signed(stage: Stage) -> None:
    citizen = stage.portal.citizen()
    challenge = citizen.get("/sign-in").pre("challenge")
    other = challenge.replace(stage.portal.origin, "http://localhost:1")
    refused(stage, citizen.answer(stage.scene.cards.cards["rsa"].answer(other)), Reason.UNKNOWN_CHALLENGE)


def test_too_many_attempts(stage: Stage) -> None:
    citizen = stage.portal.citizen()
    for _ in range(10):
        citizen.get("/sign-in")
        assert reason(citizen.answer("x")) == "malformed"
    citizen.get("/sign-in")
    page = citizen.answer("x")
    assert (page.status, reason(page)) == (429, "too_many")


def test_a_file_may_be_sent_instead(stage: Stage) -> None:
    citizen = stage.portal.citizen()
    page = citizen.get("/sign-in")
    assert citizen.get("/sign-in/challenge.json").text == page.pre("challenge")
    answer = stage.scene.cards.cards["ec"].answer(page.pre("challenge"))
    parts = [("csrf", None, page.csrf), ("answer", None, ""), ("file", "answer.txt", answer)]
    refused_body = _multipart([*parts[:2], ("file", "answer.txt", "\xff\xfe")], "latin-1")
    kind = {"Origin": citizen.origin, "Content-Type": "multipart/form-data; boundary=B"}
    assert citizen.ask("POST", "/sign-in", refused_body, kind).status == 400
    done = citizen.ask("POST", "/sign-in", _multipart(parts), kind)
    assert (done.status, done.headers["location"]) == (303, "/history")
    assert citizen.get("/history").status == 200


def _multipart(parts: list[tuple[str, str | None, str]], encoding: str = "utf-8") -> bytes:
    text = ""
    for name, file, value in parts:
        more = "" if file is None else f'; filename="{file}"\r\nContent-Type: application/octet-stream'
        text += f'--B\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'
    return (text + "--B--\r\n").encode(encoding)


def test_the_command_on_the_page_signs_what_the_page_gives(stage: Stage) -> None:
    """As a citizen does it: save the challenge, run the command, send what it wrote; with a card on a token."""
    card = stage.scene.cards.token_card("citizen", "rsa")
    stage.scene.cards.register(card.certificate, stage.scene.numbers["rsa"], "番号 札")
    stage.scene.cards.refresh()
    citizen = stage.portal.citizen()
    page = citizen.get("/sign-in")
    command = page.pre("command").split()
    assert command[:5] == ["appliance", "card", "sign", "--portal", stage.portal.origin]
    folder = card.folder / "downloads"
    folder.mkdir()
    (folder / command[-1]).write_bytes(citizen.get(f"/sign-in/{command[-1]}").body)
    citizen.page = page
    answer = folder / command[command.index("--out") + 1]
    words = ["--portal", stage.portal.origin, "--pin-file", str(card.pin_file), "--out", str(answer)]
    done = card.tool("sign", *words, str(folder / command[-1]))
    assert done.returncode == 0, done.stderr
    page = citizen.answer(answer.read_text("utf-8"))
    assert page.status == 200
    assert "番号 札 さんの記録" in page.words
    assert stage.portal.journal[-1]["event"] == "entered"


def test_every_reason_has_words_in_both_languages() -> None:
    for language in LANGUAGES:
        t = Words(language, PACKAGE)
        assert all(t(f"refused.{one.value}_{part}") for one in Reason for part in ("title", "text", "next"))


def test_who_is_signed_in_needs_no_challenge(stage: Stage) -> None:
    page = stage.citizen().get("/sign-in", follow=False)
    assert (page.status, page.headers["location"]) == (303, "/history")
