"""What every request passes, over real sockets: the right host, a known method, a form of this site; the answers."""

from __future__ import annotations

import re
import signal
import socket
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.daemonkit import wait_for
from tests.web.conftest import Site, running
from tests.web.site import LARGE, SECRET

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def raw(site: Site, data: bytes) -> bytes:
    """What comes back for some bytes, to the end of the connection."""
    with closing(socket.create_connection(("127.0.0.1", site.port), 30)) as one:
        one.sendall(data)
        return b"".join(iter(lambda: one.recv(65_536), b""))


@pytest.mark.parametrize("path", ["/", "/nowhere", "/defect", "/stop", "/style/x.css", "/language/fr"])
def test_every_answer_has_the_policy_of_the_site(site: Site, path: str) -> None:
    headers = site.browser().get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["cache-control"] == "no-store"
    assert headers["server"] == "kagimori"
    assert headers["x-frame-options"] == "DENY"
    assert "strict-transport-security" not in headers


def test_a_defect_is_a_page_and_a_line_and_tells_nothing(site: Site) -> None:
    page = site.browser().get("/defect")
    assert page.status == 500
    assert "処理を続けられませんでした" in page.words
    assert SECRET not in page.text
    assert re.search(r'defect type="RuntimeError" at="site.py:\d+ defect < guard.py', site.log)
    assert SECRET not in site.log and "Traceback" not in site.log


def test_why_there_is_no_page(site: Site) -> None:
    page = site.browser().get("/stop")
    assert (page.status, page.headers["retry-after"]) == (503, "7")
    assert "送信に時間がかかりすぎました" in page.words


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}",
        "localhost",
        "evil.example",
        "localhost:{port}.",
        "LOCALHOST:{port}",
        "",
        "a@localhost:{port}",
    ],
)
def test_another_host(site: Site, host: str) -> None:
    page = site.browser().ask("GET", "/", headers={"Host": host.format(port=site.port)})
    assert page.status in (400, 421)
    assert b"localhost" not in page.body


def test_two_hosts_and_none(site: Site) -> None:
    host = f"Host: localhost:{site.port}\r\n"
    end = "Connection: close\r\n\r\n"
    assert b" 200 " in raw(site, f"GET / HTTP/1.1\r\n{host}{end}".encode())
    for head in (f"GET / HTTP/1.1\r\n{host}{host}{end}", f"GET / HTTP/1.1\r\n{end}", "GET / HTTP/1.0\r\n\r\n"):
        assert re.match(rb"HTTP/1.[01] 4(00|21) ", raw(site, head.encode()))
    absolute = raw(site, f"GET http://evil.example/ HTTP/1.1\r\n{host}{end}".encode())
    assert absolute.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/sent", "/nowhere"])
def test_other_methods(site: Site, method: str, path: str) -> None:
    page = site.browser().ask(method, path)
    assert (page.status, page.headers["allow"]) == (405, "GET,HEAD,POST")


def test_methods_of_a_page(site: Site) -> None:
    browser = site.browser()
    browser.page = browser.get("/")
    assert browser.post("/").status == 405
    assert browser.get("/sent").status == 405
    head = browser.ask("HEAD", "/")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("path", ["/%6eowhere", "//", "/a/../b", "/a\\b", "/a;b", "/~a", "/a?b", "/" + "a" * 300])
def test_odd_paths(site: Site, path: str) -> None:
    assert site.browser().get(path).status == 404


def test_what_is_no_http_is_not_quoted(site: Site) -> None:
    answer = raw(site, b"GET / HTTP/1.1\r\nHost: x\r\nSECRET VALUE\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ") or answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n400\n")
    assert b"SECRET" not in answer
    assert "SECRET" not in site.log


def test_a_form_comes_back(site: Site) -> None:
    browser = site.browser()
    browser.get("/")
    page = browser.post("/sent", {"a": "あ", "b": ""})
    assert page.json == {"csrf": browser.page.csrf, "a": "あ", "b": ""}  # type: ignore[union-attr]


def forged(site: Site, body: str, **headers: str) -> int:
    """The status of a form with a right token and a body and headers of one's own."""
    browser = site.browser()
    token = browser.get("/").csrf
    given = {"Origin": browser.origin, "Content-Type": "application/x-www-form-urlencoded"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name: value for name, value in given.items() if value}
    return browser.ask("POST", "/sent", body.replace("TOKEN", token).encode(), given).status


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("csrf=TOKEN", {}, 200),
        ("csrf=TOKEN", {"Origin": "", "Sec_Fetch_Site": "same-origin"}, 200),
        ("csrf=TOKEN", {"Origin": ""}, 403),
        ("csrf=TOKEN", {"Origin": "null"}, 403),
        ("csrf=TOKEN", {"Origin": "http://localhost"}, 403),
        ("csrf=TOKEN", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("csrf=TOKE", {}, 403),
        ("csrf=", {}, 403),
        ("", {}, 403),
        ("csrf=TOKEN", {"Cookie": "session=none"}, 403),
        ("csrf=TOKEN&csrf=TOKEN", {}, 400),
        ("csrf=TOKEN" + "&a=b" * 2, {}, 400),
        ("csrf=TOKEN&" + "&".join(f"f{n}=1" for n in range(8)), {}, 400),
        ("csrf=TOKEN&a=" + "x" * 66_000, {}, 413),
        ("csrf=TOKEN", {"Content_Type": "application/json"}, 415),
        ("csrf=TOKEN", {"Content_Type": ""}, 415),
        ("csrf=TOKEN", {"Content_Encoding": "gzip"}, 415),
        ("csrf=TOKEN", {"Content_Type": "multipart/form-data"}, 400),
        ("--B\r\n\r\n", {"Content_Type": "multipart/form-data; boundary=B"}, 400),
    ],
)
def test_forms(site: Site, body: str, headers: dict[str, str], status: int) -> None:
    assert forged(site, body, **headers) == status
    assert set(re.findall('type="([^"]*)"', site.log)) <= {"RuntimeError"}  # no defect but the one that is asked for


@pytest.mark.parametrize(
    ("back", "to"),
    [
        ("/nowhere", "/nowhere"),
        ("/history?before=7&sector=sspin.B", "/history?before=7&sector=sspin.B"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("evil", "/"),
        ("", "/"),
        ("/" + "a" * 600, "/"),
    ],
)
def test_the_language_leads_back_to_this_site_only(site: Site, back: str, to: str) -> None:
    browser = site.browser()
    page = browser.get(f"/language/en?back={quote(back, safe='')}", follow=False)
    assert (page.status, page.headers["location"]) == (303, to)
    assert page.cookies == ["language=en; HttpOnly; Max-Age=31536000; Path=/; SameSite=Lax"]
    assert browser.get("/nowhere").language == "en"


def test_style_and_icon(site: Site) -> None:
    browser = site.browser()
    page = browser.get("/nowhere")
    style = browser.get(re.search(r'href="(/style/[0-9a-f]{16}\.css)"', page.text)[1])  # type: ignore[index]
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in style.headers["cache-control"]
    assert "url(" not in style.text and "@import" not in style.text  # nothing is fetched
    icon = browser.get("/icon.svg")
    assert icon.headers["content-type"] == "image/svg+xml"
    assert "<script" not in icon.text


def test_who_is_slow_is_not_waited_for(tmp_path: Path) -> None:
    """Half a head, an idle connection, an answer that nobody takes."""
    with running(tmp_path, "1") as site, ExitStack() as stack:
        half, idle, large = (stack.enter_context(closing(socket.socket())) for _ in range(3))
        large.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        for one in (half, idle, large):
            one.settimeout(60)
            one.connect(("127.0.0.1", site.port))
        rest = f"Host: localhost:{site.port}\r\n\r\n".encode()
        half.sendall(b"GET / HTTP/1.1\r\nHo")
        idle.sendall(b"GET / HTTP/1.1\r\n" + rest)
        large.sendall(b"GET /large HTTP/1.1\r\n" + rest)
        assert half.recv(65_536) == b""
        assert idle.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert idle.recv(65_536) == b""
        time.sleep(5)  # it is looked at once a second; what the kernel holds is still there
        taken = 0
        with suppress(ConnectionResetError):
            while more := large.recv(1 << 20):
                taken += len(more)
        assert 0 < taken < LARGE // 2
        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(30) == 0
        assert "Traceback" not in site.log


def test_only_so_many_at_a_time(tmp_path: Path) -> None:
    with running(tmp_path, "60") as site, ExitStack() as stack:
        many = [stack.enter_context(closing(socket.create_connection(("127.0.0.1", site.port), 30))) for _ in range(30)]
        for one in many:
            one.setblocking(False)
        wait_for(lambda: sum(_is_closed(one) for one in many) == 10, 30)
        for one in many[:5]:
            one.close()
        wait_for(lambda: b" 200 " in raw(site, _whole(site)), 20)


def _whole(site: Site) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: localhost:{site.port}\r\nConnection: close\r\n\r\n".encode()


def _is_closed(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
