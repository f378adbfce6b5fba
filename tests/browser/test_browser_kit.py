"""The kit itself: what the tests of the pages rely on is noticed when it is there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser import axekit
from tests.browser.webdriverkit import ENTER, TAB, Browser

GOOD = """<!DOCTYPE html><html lang="ja"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>照会</title><style>@media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }</style></head>
<body><main><h1>照会</h1><p>あなたの番号の<a id="one" href="/second">記録</a></p>
<form method="get" action="/second"><label for="answer">回答</label><input id="answer" name="answer">
<button>送信</button></form></main></body></html>"""
BAD = GOOD.replace('<label for="answer">回答</label>', "").replace("<p>", '<p style="color: #ccc">')
STRICT = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
PAGES = {
    "/": GOOD,
    "/second": GOOD.replace("<h1>照会", "<h1>二番目"),
    "/bad": BAD,
    "/script": GOOD.replace("</body>", "<script>document.title = 'taken over'</script></body>"),
    "/foreign": GOOD.replace("</body>", '<img alt="" src="http://elsewhere.example/a.png"></body>'),
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = PAGES.get(self.path.split("?", maxsplit=1)[0])
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if self.path != "/foreign":
            self.send_header("Content-Security-Policy", STRICT)
        self.end_headers()
        self.wfile.write((page or "no such page").encode())

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_keyboard_alone_goes_through_a_page(browser: Browser, site: str) -> None:
    browser.open(f"{site}/")
    seen = []
    for _ in range(3):
        browser.press(TAB)
        seen.append((browser.focus.role, browser.focus.name))
    assert seen == [("link", "記録"), ("textbox", "回答"), ("button", "送信")]
    browser.press_back()
    browser.press(*"abc")
    browser.leaving(lambda: browser.press(ENTER))
    assert browser.url == f"{site}/second?answer=abc"
    assert "二番目" in browser.text


def test_axe_finds_what_is_wrong_and_nothing_else(browser: Browser, site: str, axe: Path) -> None:
    browser.open(f"{site}/")
    assert axekit.findings(browser, axe) == []
    browser.open(f"{site}/bad")
    assert {one.rule for one in axekit.grave(browser, axe)} == {"color-contrast", "label"}


def test_a_script_is_stopped_and_the_console_says_so(browser: Browser, site: str) -> None:
    browser.open(f"{site}/")
    assert [line for line in browser.console() if "favicon" not in line] == []
    browser.open(f"{site}/script")
    assert browser.title == "照会"
    assert any("Content Security Policy" in line for line in browser.console())


def test_a_request_to_elsewhere_is_seen_and_leads_nowhere(browser: Browser, site: str) -> None:
    browser.open(f"{site}/foreign")
    assert "http://elsewhere.example/a.png" in browser.requests()
    assert any("ERR_NAME_NOT_RESOLVED" in line for line in browser.console())
    browser.open(f"{site}/")
    assert all(url.startswith(site) for url in browser.requests())


def test_phone_desktop_light_and_dark_are_four_pictures(browser: Browser, site: str, tmp_path: Path) -> None:
    pictures = set()
    for width, height, phone in ((360, 740, True), (1280, 900, False)):
        for dark in (False, True):
            browser.size(width, height, phone=phone)
            browser.media(dark=dark)
            browser.open(f"{site}/")
            assert browser.run("return innerWidth") == width
            pictures.add(browser.screenshot(tmp_path / "one.png").read_bytes())
    assert len(pictures) == 4


def test_a_new_person_has_no_cookie(browser: Browser, site: str) -> None:
    browser.open(f"{site}/")
    browser.run("document.cookie = 'a=1'")
    browser.forget()
    browser.open(f"{site}/")
    assert browser.run("return document.cookie") == ""
