"""Every page of portal and desk, in both languages, light and dark, on a desktop and on a phone.

Nothing serious for axe, nothing that a phone cuts off, nothing said in the console, nothing asked for elsewhere. What
was seen is in var/screenshots afterwards.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser import axekit
from tests.browser.sitekit import HOSTILE_TITLE, NAMES, Site
from tests.browser.webdriverkit import Browser
from tests.daemonkit import wait_for
from tests.world import PROJECT

SCREENSHOTS = PROJECT / "var" / "screenshots"
DESKTOP, PHONE = (1280, 900, False), (360, 740, True)
LOOKS = (("ja", DESKTOP, False), ("ja", PHONE, True), ("en", DESKTOP, True), ("en", PHONE, False))
AXE = LOOKS[:3]
PORTAL = {
    "home": "/",
    "sign-in": "/sign-in",
    "signed-out": "/signed-out",
    "history": "/history",
    "history-narrowed": "/history?sector=sspin.E&purpose=benefit-check",
    "record-cosigned": "/history/{old}",
    "record-pending": "/history/{new}",
    "mark": "/history/{new}/mark",
    "export": "/export",
    "no-such-page": "/no-such-page",
    "no-such-record": "/history/1",
}
BEFORE_SIGN_IN = ("home", "sign-in", "signed-out")
DESK = (
    "",
    "keys",
    "ledger",
    "plans",
    "use",
    "refusals",
    "unusual",
    "marks",
    "orders",
    "log",
    "record/5",
    "record/9999",
)


@pytest.fixture(scope="module")
def records(site: Site) -> dict[str, int]:
    """Hanako's newest record, and one that is co-signed."""
    old = site.convert("hanako")
    site.cosign()
    return {"old": old, "new": site.convert("hanako")}


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Browser:
    """Somebody who looks at the portal; not signed in."""
    browser.open(f"{site.portal}/")
    return browser


@pytest.fixture
def auditor(browser: Browser, site: Site) -> Browser:
    """Somebody of the oversight body, whose desk has seen the log."""
    browser.open(site.at_desk("/"))

    def is_there() -> bool:
        browser.open(f"{site.desk}/log")
        return len(browser.all("main section")) > 2

    wait_for(is_there, 60)
    return browser


def sign_in(browser: Browser, site: Site) -> None:
    browser.open(f"{site.portal}/sign-in")
    text = str(browser.run('return document.querySelector("#challenge").textContent'))
    browser.find("#answer").click()
    browser.paste(site.cards.cards["hanako"].answer(text))
    browser.leaving(browser.find("main form button").click)


def looked_at(browser: Browser, url: str, name: str, axe: Path) -> None:
    """One page in every look; raises AssertionError for whatever is wrong with it."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    expected = f"{url} - Failed to load resource: the server responded with a status of 404 (Not Found)"
    for look in LOOKS:
        language, (width, height, phone), dark = look
        browser.open(f"{origin}/language/{language}?back=/")
        browser.size(width, height, phone=phone)
        browser.media(dark=dark)
        browser.console()
        browser.requests()
        browser.open(url)
        assert browser.find("html").attribute("lang") == language
        assert [line for line in browser.console() if line != expected or "no-such" not in name] == [], look
        assert [asked for asked in browser.requests() if not asked.startswith(f"{origin}/")] == [], look
        assert browser.run("return document.documentElement.scrollWidth") <= width, f"{look}: wider than the window"
        assert browser.all("script, iframe, object") == []
        assert len(browser.all("h1")) == 1
        shade, device = "dark" if dark else "light", "phone" if phone else "desktop"
        browser.screenshot(SCREENSHOTS / f"{name}-{language}-{device}-{shade}.png")
        if look in AXE:
            assert axekit.grave(browser, axe) == [], look


@pytest.mark.parametrize("name", PORTAL)
def test_a_page_of_the_portal(visitor: Browser, site: Site, axe: Path, records: dict[str, int], name: str) -> None:
    if name not in BEFORE_SIGN_IN:
        sign_in(visitor, site)
    looked_at(visitor, site.portal + PORTAL[name].format(**records), f"portal-{name}", axe)


def test_a_page_of_refusal(visitor: Browser, site: Site, axe: Path) -> None:
    """It answers a form, so it is looked at where it stands."""
    for language, (width, height, phone), dark in (LOOKS[0], LOOKS[1]):
        visitor.size(width, height, phone=phone)
        visitor.media(dark=dark)
        visitor.open(f"{site.portal}/sign-in")
        text = str(visitor.run('return document.querySelector("#challenge").textContent'))
        visitor.find("#answer").click()
        visitor.paste(site.cards.cards["expired"].answer(text))
        visitor.leaving(visitor.find("main form button").click)
        assert visitor.find("main .notice").attribute("id") == "expired"
        assert axekit.grave(visitor, axe) == []
        device = "phone-dark" if phone else "desktop-light"
        visitor.screenshot(SCREENSHOTS / f"portal-refused-{language}-{device}.png")


@pytest.mark.parametrize("path", DESK)
def test_a_page_of_the_desk(auditor: Browser, site: Site, axe: Path, path: str) -> None:
    name = {"": "overview", "record/9999": "no-such-record"}.get(path, path.replace("/", "-"))
    looked_at(auditor, f"{site.desk}/{path}", f"desk-{name}", axe)


def test_a_pending_plan_stands_on_the_desk_as_text(auditor: Browser, site: Site, axe: Path) -> None:
    site.draft()

    def is_there() -> bool:
        auditor.open(f"{site.desk}/plans")
        return HOSTILE_TITLE in auditor.text

    wait_for(is_there, 60)
    assert auditor.all("main img") == []
    assert "keyceremony approve" in auditor.text
    looked_at(auditor, f"{site.desk}/plans", "desk-plan", axe)


def test_paper_has_the_list_and_no_buttons(visitor: Browser, site: Site) -> None:
    sign_in(visitor, site)
    visitor.media(medium="print")
    visitor.open(f"{site.portal}/export")
    controls = "document.querySelectorAll('button, nav, .skip, .no-print')"
    assert visitor.run(f"return [...{controls}].filter(one => one.checkVisibility()).length") == 0
    assert NAMES["hanako"] in visitor.text
    visitor.screenshot(SCREENSHOTS / "portal-export-print.png")
