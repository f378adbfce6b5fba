"""The real desk in a process of its own: every page in both languages, looking only, and when things break."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deskkit import PATHS, DeskProcess, ask, refused_start, until, written
from logkit import Log, put, thousand
from reportkit import HOSTILE, sample
from reportworld import book
from serverkit import LogServer

from appliance.ledger.chain import verify_entries

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def ready(desk: DeskProcess, size: int) -> None:
    """Until it shows so many records."""
    until(lambda: f"verified up to record {size:,}." in desk.page("/").words)


@pytest.fixture(scope="module")
def spring_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskProcess]:
    """A desk beside the believable log."""
    held, folder = sample(), tmp_path_factory.mktemp("d")
    config = written(folder, held.anchor, log=f'orders = "{held.folder}"')
    with LogServer(folder / "o.sock", held.folder / "copy") as server, DeskProcess(config, os.environ) as desk:
        ready(desk, 9_789)
        yield desk
        assert server.handed_in == []


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("path", [*PATHS, "/record/9104"])
def test_every_page_is_well_formed_runs_nothing_and_fetches_nothing(
    path: str, language: str, spring_desk: DeskProcess
) -> None:
    said = spring_desk.get(path, language)
    assert said.status == 200
    page = said.page
    tags = {tag for tag, _ in page.tags}
    assert not {"script", "iframe", "object", "form", "input", "button", "style", "base"} & tags
    assert ("html", {"lang": language}) in page.tags
    names = [(name, value) for _, held in page.tags for name, value in held.items()]
    assert [name for name, _ in names if name.startswith("on") or name == "style"] == []
    sources = [value for name, value in names if name in ("src", "href")]
    assert [one for one in sources if not re.match(r"/|#", one)] == []
    assert [held for tag, held in page.tags if tag == "meta" and "http-equiv" in held] == []
    policy = said.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert said.headers["cache-control"] == "no-store"
    identities = [value for name, value in names if name == "id"]
    assert len(set(identities)) == len(identities)
    assert set(re.findall(r"url\(#([^)]*)\)", spring_desk.get(_style(page.tags)).body.decode())) <= set(identities)
    captions = [tag for tag, _ in page.tags if tag in ("table", "caption")]
    assert captions.count("table") == captions.count("caption")
    assert all(held.get("aria-label") for tag, held in page.tags if held.get("role") == "img")


def _style(tags: list[tuple[str, dict[str, str]]]) -> str:
    return next(held["href"] for tag, held in tags if tag == "link" and held["rel"] == "stylesheet")


def test_the_english_pages_have_no_japanese_of_ours(spring_desk: DeskProcess) -> None:
    """What is left is what ceremonies are called, and the name of the other language."""
    titles = [entry.plan.title for entry in verify_entries(book().files, book().anchor)]
    for path in ("/", "/keys", "/refusals", "/unusual", "/log"):
        texts = [text for text in spring_desk.page(path).texts if JAPANESE.search(text) and text != "日本語"]
        assert [text for text in texts if not any(title in text for title in titles)] == [], path


def test_the_japanese_pages_have_no_english_of_ours(spring_desk: DeskProcess) -> None:
    """Whole words of English text would show a text that was forgotten."""
    english = re.compile(r"\b(?:the|of|and|is|was|nothing|record|records|waiting|order)\b")
    for path in ("/", "/keys", "/ledger", "/plans", "/use", "/refusals", "/marks", "/orders", "/log", "/record/9104"):
        page = spring_desk.page(path, "ja")
        inside = [text for text in page.texts if english.search(text) and JAPANESE.search(text)]
        assert [text for text in inside if "(" not in text] == [], path


def test_numbers_of_records_lead_to_their_pages(spring_desk: DeskProcess) -> None:
    for path in ("/ledger", "/unusual", "/marks", "/orders", "/log", "/use"):
        numbers = [link for link in spring_desk.page(path).links if link.startswith("/record/")]
        assert numbers, path
    record = spring_desk.page("/record/9104")
    assert "</svg><script>alert(1)</" in record.words
    assert HOSTILE[:24] in record.words
    assert {"/record/9103", "/record/9105"} <= set(record.links)
    assert spring_desk.page("/record/9789").links.count("/record/9790") == 0


@pytest.mark.parametrize("path", ["/record/0", "/record/9790", "/record/x", "/record/01", "/record/1/2", "/nothing"])
def test_what_is_not_there_is_a_page_that_says_so(path: str, spring_desk: DeskProcess) -> None:
    said = spring_desk.get(path)
    assert said.status == 404
    assert "cannot be shown" in said.page.words or "There is no such page" in said.page.words


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_nothing_but_looking_is_taken(method: str, spring_desk: DeskProcess) -> None:
    for path in (*PATHS, "/record/1", "/language/en"):
        said = spring_desk.get(path, method=method)
        assert said.status in ((400, 405) if method == "CONNECT" else (405,)), (method, path)
        if said.status == 405:
            assert set(said.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD"}
    assert spring_desk.get("/keys", method="HEAD").status == 200


def test_another_host_is_not_answered(spring_desk: DeskProcess) -> None:
    """A page of somebody else whose name leads here reads nothing."""
    said = ask(spring_desk.config.with_name("desk.sock"), "/", headers={"Host": "evil.example"})
    assert (said.status, b"9,789" in said.body) == (421, False)


def test_a_page_opens_itself_again_only_if_asked_to(spring_desk: DeskProcess) -> None:
    refreshing = ("meta", {"http-equiv": "refresh", "content": "60"})
    assert refreshing in spring_desk.page("/keys?every=60").tags
    for query in ("", "?every=1", "?every=60%22", "?every=0;url=http://x"):
        assert refreshing not in spring_desk.page(f"/keys{query}").tags


def test_only_those_who_may_open_the_socket_may_look(spring_desk: DeskProcess) -> None:
    mode = spring_desk.config.with_name("desk.sock").stat().st_mode
    assert stat.S_IMODE(mode) == 0o660


def test_the_copy_is_for_the_desk_alone_and_only_one_may_write_it(spring_desk: DeskProcess) -> None:
    state = spring_desk.config.parent / "state"
    assert stat.S_IMODE(state.stat().st_mode) == stat.S_IMODE((state / "copy").stat().st_mode) == 0o700
    again = refused_start(spring_desk.config)
    assert again.returncode == 3
    assert "another process works on it" in again.stderr


# --- when things break -------------------------------------------------------------------------------


def _log(size: int, change: Callable[[Log], None] = lambda log: None) -> Log:
    log = thousand()
    del log.entries[size:], log.leaves[size:]
    change(log)
    return log


def test_a_daemon_that_is_away_leaves_the_last_view_and_is_told(place: Path) -> None:
    log = thousand()
    source, config = log.write(place / "log", 900), written(place, log.book.anchor)
    with LogServer(place / "o.sock", source), DeskProcess(config, os.environ) as desk:
        ready(desk, 900)
        assert "ALARM" not in desk.page("/log").words
    with DeskProcess(config, os.environ) as desk:  # nobody listens, so the copy is all there is
        ready(desk, 900)
        until(lambda: "Reading and verifying the log" in desk.page("/").words)
        page = desk.page("/use")
        assert "Not working: Reading and verifying the log" in page.words
        assert "What is shown is the last that was verified before." in page.words
        assert "o.sock" in page.words
        assert "the copy alone; the daemon has not been reached yet" in desk.page("/").words
        log.write(source)
        with LogServer(place / "o.sock", source):
            ready(desk, 1_000)
            until(lambda: "Reading and verifying" not in desk.page("/").words)


def test_a_fork_is_an_alarm_on_every_page_and_outlives_a_restart(place: Path) -> None:
    log = thousand()
    source, config = log.write(place / "log", 900), written(place, log.book.anchor)
    other = _log(500, lambda log: None).fork()
    other.convert(7, reference="another history")
    other.grow(950).write(place / "other")
    with LogServer(place / "o.sock", source) as server, DeskProcess(config, os.environ) as desk:
        ready(desk, 900)
        server.folder = place / "other"
        until(lambda: "ALARM" in desk.page("/").words)
        for path in PATHS:
            page = desk.page(path)
            assert "ALARM: Reading and verifying the log" in page.words, path
            assert "the log was forked: size 900" in page.words
            assert ("section", {"class": "notice bad", "role": "alert"}) in page.tags
        assert "警報" in desk.page("/", "ja").words
        assert "verified up to record 900." in desk.page("/").words
        server.folder = source  # the true one again: too late, two heads were signed
        asked = len(server.asked)
        until(lambda: len(server.asked) > asked + 1)
        assert "ALARM" in desk.page("/").words
    with LogServer(place / "o.sock", source), DeskProcess(config, os.environ) as desk:
        until(lambda: "ALARM" in desk.page("/").words)
        assert "verified up to record 900." in desk.page("/").words
        assert len(list((place / "state/evidence").iterdir())) == 1
        (place / "state/alarm").unlink()
        log.write(source)
        ready(desk, 1_000)
        assert "ALARM" not in desk.page("/").words


def test_a_copy_that_was_changed_is_an_alarm_that_names_the_record(place: Path) -> None:
    log = thousand()
    source, config = log.write(place / "log"), written(place, log.book.anchor)
    with LogServer(place / "o.sock", source), DeskProcess(config, os.environ) as desk:
        ready(desk, 1_000)
    path = place / "state/copy/tile/entries/002"
    put(path, path.read_bytes().replace(b'"uid":1001', b'"uid":1002', 1))
    with LogServer(place / "o.sock", source), DeskProcess(config, os.environ) as desk:
        until(lambda: "ALARM" in desk.page("/").words)
        page = desk.page("/use")
        assert "tile/entries/002 entry 0 (record 513): its hash is not the one that tile/0/002 holds" in page.words
        assert "Nothing has been read yet" in page.words


def test_a_record_that_was_changed_under_it_is_not_shown(place: Path) -> None:
    log = thousand()
    with (
        LogServer(place / "o.sock", log.write(place / "log")),
        DeskProcess(written(place, log.book.anchor), os.environ) as desk,
    ):
        ready(desk, 1_000)
        path = place / "state/copy/tile/entries/000"
        put(path, path.read_bytes().replace(b"case-9", b"case-8", 1))
        said = desk.get("/record/9")
        assert said.status == 404
        assert "its hash is not the one" in said.page.words


def test_no_view_yet_is_said_and_sigterm_does_not_wait_for_one(place: Path) -> None:
    log = thousand()
    with DeskProcess(written(place, log.book.anchor), os.environ) as desk:
        page = desk.page("/keys")
        assert "Nothing has been read yet" in page.words
        assert desk.get("/record/1").status == 404
    assert desk.process is not None
    assert desk.process.returncode == 0


def test_a_ceremony_tool_that_fails_is_said(place: Path) -> None:
    log = thousand()
    config = written(place, log.book.anchor, more='[ceremony]\nconfig = "none.toml"\n')
    with LogServer(place / "o.sock", log.write(place / "log")), DeskProcess(config, os.environ) as desk:
        ready(desk, 1_000)
        until(lambda: "Asking where ceremonies stand" in desk.page("/").words)
        assert f"keyceremony status: {place / 'none.toml'}: No such file or directory" in desk.page("/plans").words
