"""The citizen's way through the portal in a real browser: card, history, proof, mark, refusals; the keyboard alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.sitekit import NAMES, Site
from tests.browser.webdriverkit import ENTER, SPACE, TAB, Browser
from tests.daemonkit import wait_for
from tests.portal.cardkit import TokenCard


@pytest.fixture(scope="module")
def token_card(site: Site) -> TokenCard:
    """Hanako's new card, on a token; signing with it takes a process and a PIN."""
    card = site.cards.token_card("hanakos-card", "ec")
    site.cards.register(card.certificate, site.number("hanako"), NAMES["hanako"])
    site.cards.refresh()
    return card


def challenge(browser: Browser) -> str:
    """What stands on the page to be signed."""
    return str(browser.run('return document.querySelector("#challenge").textContent'))


def answer_with(browser: Browser, site: Site, card: str) -> str:
    """Answer the page's challenge with a card in memory, by mouse; the answer."""
    browser.open(f"{site.portal}/sign-in")
    answer = site.cards.cards[card].answer(challenge(browser))
    give(browser, answer)
    return answer


def give(browser: Browser, answer: str) -> None:
    browser.find("#answer").click()
    browser.paste(answer)
    browser.leaving(browser.find("main form button").click)


def refusal(browser: Browser) -> str | None:
    """Why one is not let in."""
    return browser.find("main .notice").attribute("id")


def enter(browser: Browser, name: str) -> None:
    """Press ENTER on what TAB leads to, and wait for the page."""
    tab_to(browser, name)
    browser.leaving(lambda: browser.press(ENTER))


def last_sign_in(site: Site) -> dict[str, str]:
    """The newest line of the journal."""
    lines = (site.world.folder.parent / "sign-ins.jsonl").read_text("utf-8").splitlines()
    return json.loads(lines[-1])  # type: ignore[no-any-return]


def tab_to(browser: Browser, name: str) -> None:
    """Press TAB until that is in focus, as somebody does who cannot point."""
    seen = []
    for _ in range(60):
        browser.press(TAB)
        if (found := browser.focus.name).startswith(name):
            return
        seen.append(found)
    raise AssertionError(f"TAB does not reach {name}: {seen}")


def test_signing_in_looking_and_marking_with_the_keyboard_alone(
    browser: Browser, site: Site, token_card: TokenCard
) -> None:
    record = site.convert("hanako", "tax-assessment", source="sspin.A", target="sspin.F")
    browser.open(f"{site.portal}/")
    enter(browser, "カードでログインする")
    tab_to(browser, "確認文")
    tab_to(browser, "確認文")  # the first is the file; this one shows the text
    browser.press(SPACE)
    text = browser.find("#challenge").text
    assert site.portal in text, "it says whom it is for"
    signed = token_card.answer(text, site.portal)
    tab_to(browser, "署名（コマンドの出力）")
    browser.paste(signed)
    enter(browser, "ログインする")
    assert browser.url == f"{site.portal}/history"
    assert "番号 花子 さんの記録" in browser.text

    enter(browser, f"覚えがない （記録 {record}）")
    assert browser.url == f"{site.portal}/history/{record}/mark"
    enter(browser, "申し出る")
    receipt = browser.find("#receipt").text
    browser.open(f"{site.portal}/history")
    assert f"「覚えがない」と申し出済み（受付番号 {receipt}）" in browser.text

    def on_the_desk() -> bool:
        browser.open(site.at_desk("/marks"))
        return re.search(rf"\b{record}\b[^0-9]+\b{receipt}\b|\b{receipt}\b", browser.text) is not None

    wait_for(on_the_desk, 30)
    browser.open(f"{site.portal}/history")
    enter(browser, "ログアウト")
    assert browser.url == f"{site.portal}/signed-out"


def test_the_saved_proof_is_checked_without_the_portal(browser: Browser, site: Site, tmp_path: Path) -> None:
    """The command on the page, as it stands there, run where there is neither portal nor daemon."""
    answer_with(browser, site, "hanako")
    first = browser.find(".entries > :last-child .links a:first-child").attribute("href") or ""
    browser.open(f"{site.portal}{first}")
    record = first.rpartition("/")[2]
    assert "証明済み（連署あり）" in browser.text
    browser.find(f'a[download="record-{record}.json"]').click()
    downloaded = browser.downloads / f"record-{record}.json"
    wait_for(downloaded.exists)
    command = browser.find("#command").text.split()
    assert command[:2] == ["appliance", "portal"]
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", *command[1:]],
        cwd=downloaded.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert record in done.stdout


@pytest.mark.parametrize(
    ("card", "reason", "title"),
    [
        ("expired", "expired", "証明書の有効期限が切れています"),
        ("revoked", "revoked", "失効した証明書です"),
        ("foreign", "other_authority", "このサイトでは使えないカードです"),
        ("stranger", "unknown_holder", "カードの登録が見つかりません"),
    ],
)
def test_a_card_that_is_not_let_in_gets_a_clear_page_and_is_recorded(
    browser: Browser, site: Site, card: str, reason: str, title: str
) -> None:
    answer_with(browser, site, card)
    assert refusal(browser) == reason
    assert title in browser.find("main .notice").text
    said = last_sign_in(site)
    assert reason in said.values()
    browser.leaving(browser.find("main a.button").click)
    assert browser.url == f"{site.portal}/sign-in", "and one can try again"
    browser.open(f"{site.portal}/history")
    assert browser.url == f"{site.portal}/sign-in"


def test_an_answer_is_good_once(browser: Browser, site: Site) -> None:
    """In the browser that gave it, and in no other."""
    answer = answer_with(browser, site, "expired")
    assert refusal(browser) == "expired"
    browser.open(f"{site.portal}/sign-in")
    give(browser, answer)
    assert refusal(browser) == "replayed"
    assert "すでに使われた署名です" in browser.text
    assert "replayed" in last_sign_in(site).values()

    answer = answer_with(browser, site, "hanako")
    assert browser.url == f"{site.portal}/history"
    browser.forget()
    browser.open(f"{site.portal}/sign-in")
    give(browser, answer)
    assert refusal(browser) == "not_yours"
    assert "別の画面に示された確認文です" in browser.text
    assert "not_yours" in last_sign_in(site).values()


def test_signing_out_ends_it_here_and_on_the_server(browser: Browser, site: Site) -> None:
    answer_with(browser, site, "hanako")
    (cookie,) = browser.cdp("Network.getCookies", urls=[site.portal])["cookies"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    browser.leaving(browser.find('form[action="/sign-out"] button').click)
    browser.leaving(lambda: browser.run("history.back()"))
    assert "番号 花子" not in browser.text, "the back button brings nothing back"
    browser.cdp("Network.setCookie", url=site.portal, name=cookie["name"], value=cookie["value"])
    browser.open(f"{site.portal}/history")
    assert browser.url == f"{site.portal}/sign-in"


def test_the_language_is_asked_for_once(browser: Browser, site: Site) -> None:
    answer_with(browser, site, "hanako")
    browser.leaving(browser.find('.languages a[lang="en"]').click)
    assert browser.url == f"{site.portal}/history", "one stays where one was"
    for path in ("/history", "/export", "/"):
        browser.open(f"{site.portal}{path}")
        assert browser.find("html").attribute("lang") == "en"
        assert "My linkage history" in browser.title
    assert re.search(r"[ぁ-ん]", browser.find("main").text) is None
    browser.leaving(browser.find('.languages a[lang="ja"]').click)
    assert browser.find("html").attribute("lang") == "ja"


def test_a_name_of_markup_is_text(browser: Browser, site: Site) -> None:
    answer_with(browser, site, "script")
    for path in ("/history", "/export"):
        browser.open(f"{site.portal}{path}")
        assert NAMES["script"] in browser.text
        assert "taken" not in browser.title
        assert browser.all("main script, main b") == []


def test_a_very_long_name_fits_a_phone(browser: Browser, site: Site) -> None:
    browser.size(360, 740, phone=True)
    answer_with(browser, site, "long")
    for path in ("/history", "/export"):
        browser.open(f"{site.portal}{path}")
        assert NAMES["long"] in browser.text.replace("\n", "")
        assert browser.run("return document.documentElement.scrollWidth") == 360
