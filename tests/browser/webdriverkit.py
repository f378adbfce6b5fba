"""How a test talks to a browser: W3C WebDriver over HTTP, the few calls that are needed, without a library.

softhsm-config/browser.sh finds chromedriver; nothing is downloaded, and the browser resolves no name but localhost.
Calls: https://www.w3.org/TR/webdriver2/ (section 6.3 lists the end points); ``cdp`` is Chrome's own.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TAB, ENTER, SPACE, ESCAPE, SHIFT = "\ue004", "\ue007", " ", "\ue00c", "\ue008"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver 12.1: the key that marks an element in JSON
_LOADING = 60.0  # seconds that a page may take
_TALLEST = 8000  # pixels of a screenshot; nobody looks further down
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--hide-scrollbars",
    "--remote-debugging-pipe",  # the driver would look for the name localhost, which a bare machine may not know
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
)


class WebDriverError(AssertionError):
    """What the driver refused to do; the message is its own."""


@dataclass(frozen=True)
class Element:
    """Something on the page."""

    browser: Browser
    key: str

    def click(self) -> None:
        """Click in its middle, as a mouse would; scrolled to first."""
        self.browser.call("POST", f"/element/{self.key}/click", {})

    def type(self, text: str) -> None:
        """Focus it and type."""
        self.browser.call("POST", f"/element/{self.key}/value", {"text": text})

    @property
    def text(self) -> str:
        """The text as it is shown."""
        return str(self.browser.call("GET", f"/element/{self.key}/text"))

    @property
    def name(self) -> str:
        """The accessible name: what a screen reader says."""
        return str(self.browser.call("GET", f"/element/{self.key}/computedlabel"))

    @property
    def role(self) -> str:
        """The role that assistive technology sees."""
        return str(self.browser.call("GET", f"/element/{self.key}/computedrole"))

    def attribute(self, name: str) -> str | None:
        """An attribute, as in the page's source."""
        return self.browser.call("GET", f"/element/{self.key}/attribute/{name}")  # type: ignore[no-any-return]


class Browser:
    """A headless Chromium with an empty profile below ``folder``, and the driver that drives it."""

    def __init__(self, chromium: Path, chromedriver: Path, folder: Path) -> None:
        self._driver = subprocess.Popen(
            [chromedriver, "--port=0", f"--log-path={folder / 'chromedriver.log'}"],
            env={**os.environ, "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._session = ""
        self.downloads = folder / "downloads"
        self._connection = http.client.HTTPConnection("127.0.0.1", timeout=120)
        try:
            self._connection.port = self._port()
            self._session = self._new_session(chromium, folder)
        except BaseException:
            self.close()
            raise

    def _port(self) -> int:
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                return int(found[1])
        raise WebDriverError("chromedriver does not start")

    def _new_session(self, chromium: Path, folder: Path) -> str:
        options = {
            "binary": str(chromium),
            "args": [*_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            "prefs": {"download.default_directory": str(self.downloads), "intl.accept_languages": "ja"},
        }
        wanted = {
            "browserName": "chrome",
            "acceptInsecureCerts": True,
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        return str(answer["sessionId"])

    # --- calls ------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, sent, {"Content-Type": "application/json"})
        value = json.loads(self._connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise WebDriverError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call within the session; its value."""
        return self._call(method, f"/session/{self._session}{path}", body)

    def cdp(self, command: str, **parameters: Any) -> Any:
        """A command of the Chrome DevTools protocol, for what WebDriver has no word for."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script's ``return``; a promise is waited for. A page's CSP does not stop it."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    # --- pages ------------------------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Go there; returns when the page has been loaded."""
        self.call("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self.call("GET", "/url"))

    @property
    def title(self) -> str:
        """The page's title."""
        return str(self.call("GET", "/title"))

    @property
    def source(self) -> str:
        """The page's source, after parsing."""
        return str(self.call("GET", "/source"))

    @property
    def text(self) -> str:
        """All text of the page that is shown."""
        return self.find("body").text

    def find(self, css: str) -> Element:
        """The first that a CSS selector names."""
        found = self.call("POST", "/element", {"using": "css selector", "value": css})
        return Element(self, found[_ELEMENT])

    def all(self, css: str) -> list[Element]:
        """All that it names."""
        found = self.call("POST", "/elements", {"using": "css selector", "value": css})
        return [Element(self, one[_ELEMENT]) for one in found]

    @property
    def focus(self) -> Element:
        """What has the keyboard's focus."""
        return Element(self, self.call("GET", "/element/active")[_ELEMENT])

    def press(self, *keys: str) -> None:
        """Press keys, one after another, wherever the focus is."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._keys(strokes)

    def leaving(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and wait until that has been loaded.

        Raises:
            WebDriverError: it leads nowhere.
        """
        self.run("window.staysHere = true")
        act()
        end = time.monotonic() + _LOADING
        while self.run("return window.staysHere === true || document.readyState !== 'complete'"):
            if time.monotonic() > end:
                raise WebDriverError(f"nothing leads away from {self.url}")
            time.sleep(0.05)

    def press_back(self) -> None:
        """Shift and Tab."""
        down = [{"type": "keyDown", "value": key} for key in (SHIFT, TAB)]
        self._keys([*down, *({"type": "keyUp", "value": key} for key in (TAB, SHIFT))])

    def _keys(self, strokes: list[dict[str, str]]) -> None:
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def paste(self, text: str) -> None:
        """Put text where the focus is, at once."""
        self.cdp("Input.insertText", text=text)

    # --- how it looks -----------------------------------------------------------------------------

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """The size of what is seen, in CSS pixels."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def media(self, *, dark: bool = False, medium: str = "screen") -> None:
        """What a person prefers, or ``print``."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", media=medium, features=[scheme])

    def screenshot(self, path: Path) -> Path:
        """The whole page, from top to bottom, as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": whole["width"], "height": min(whole["height"], _TALLEST), "scale": 1}
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(b64decode(shot["data"]))
        return path

    # --- what happened ----------------------------------------------------------------------------

    def console(self) -> list[str]:
        """What the console complained of since the last time: errors of the page, its CSP's violations."""
        entries = self.call("POST", "/se/log", {"type": "browser"})
        return [str(entry["message"]) for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last time."""
        entries = self.call("POST", "/se/log", {"type": "performance"})
        events = (json.loads(entry["message"])["message"] for entry in entries)
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("chrome:", "about:", "data:"))]

    def forget(self) -> None:
        """As a new person: no cookie, nothing seen before, nothing said."""
        self.open("about:blank")
        self.cdp("Network.clearBrowserCookies")
        self.cdp("Network.clearBrowserCache")
        self.console()
        self.requests()

    # --- end --------------------------------------------------------------------------------------

    def close(self) -> None:
        """End browser and driver."""
        try:
            if self._session:
                self.call("DELETE", "")
        finally:
            self._connection.close()
            self._driver.terminate()
            self._driver.wait(30)
            if self._driver.stdout is not None:
                self._driver.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
