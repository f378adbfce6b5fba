"""The web base by itself: which language, which origin, where to listen, what a configuration may hold."""

from __future__ import annotations

import re
import socket
import string
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import tomlfile
from appliance.tomlfile import ConfigurationError, Section
from appliance.web import wording
from appliance.web.listening import Bound, Listen
from appliance.web.origin import Origin
from appliance.web.wording import Words, chosen
from tests.web.pagekit import free_port
from tests.world import softhsm

HERE = "http://localhost:8080"


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "ja"),
        (None, "en", "en"),
        (None, "en-GB,en;q=0.9,ja;q=0.8", "en"),
        (None, "fr, en;q=0.2", "en"),
        (None, "en;q=0.5, ja;q=0.6", "ja"),
        (None, "en, ja", "ja"),
        (None, "en;q=0", "ja"),
        (None, "fr", "ja"),
        (None, "en;q=2, ja;q=x", "ja"),
        ("en", "ja", "en"),
        ("ja", "en", "ja"),
        ("fr", "en", "en"),
        ("<script>", "en", "en"),
    ],
)
def test_which_language(cookie: str | None, accepted: str, language: str) -> None:
    assert chosen(cookie, accepted, "ja") == language


@given(st.none() | st.text(), st.text())
def test_any_header_is_a_language(cookie: str | None, accepted: str) -> None:
    assert chosen(cookie, accepted, "en") in ("ja", "en")


@pytest.mark.parametrize("key", sorted(wording.texts("appliance.web")))
def test_every_text_is_there_in_both_languages(key: str) -> None:
    text = wording.texts("appliance.web")[key]
    assert text.ja.strip() and text.en.strip()
    names = [{name for _, name, _, _ in string.Formatter().parse(one) if name} for one in (text.ja, text.en)]
    assert names[0] == names[1]


def test_what_is_filled_in_hides_nothing() -> None:
    t = Words("en", "appliance.web")
    assert t("page.status", code="a\u202eb\nc") == "Status a\\u202eb\\nc"
    assert t("page.status", code=1_234) == "Status 1,234"
    with pytest.raises(KeyError):
        t("page.none")


def test_times_are_japans() -> None:
    moment = datetime(2026, 11, 27, 15, 4, tzinfo=UTC)
    assert Words("ja", "appliance.web").moment(moment) == "2026年11月28日 00:04"
    assert Words("en", "appliance.web").moment(moment) == "28 November 2026, 00:04"
    assert Words("ja", "appliance.web").day(moment) == "2026年11月28日"
    assert wording.instant("2026-11-27T15:04:00.000000Z") == moment


# --- origins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://portal.example.go.jp", "portal.example.go.jp"),
        ("https://portal.example:8443", "portal.example:8443"),
        ("http://localhost:8080", "localhost:8080"),
        ("http://127.0.0.1:1", "127.0.0.1:1"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_an_origin_is_as_a_browser_writes_it(text: str, host: str) -> None:
    origin = Origin.parse(text)
    assert (str(origin), origin.host, origin.secure) == (text, host, text.startswith("https"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "portal.example",
        "https://portal.example/",
        "https://Portal.example",
        "https://portal.example:443",
        "http://localhost:80",
        "https://portal.example:99999",
        "https://portal.example:08443",
        "https://u@portal.example",
        "https://portal.example\n",
        "http://portal.example",
        "http://127.0.0.1.evil.example:80",
        "ftp://localhost",
        "https://-a",
    ],
)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Origin.parse(text)


# --- listening ------------------------------------------------------------------------------------


def bound_refused(listen: Listen) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        Bound(listen)
    return refusal.value.message


def test_a_socket_for_its_group_that_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound = Bound(Listen(origin=HERE, socket=path))
    assert path.stat().st_mode & 0o777 == 0o660
    assert bound_refused(Listen(origin=HERE, socket=path)) == f"[listen] socket {path}: somebody listens on it"
    bound.socket.close()
    again = Bound(Listen(origin=HERE, socket=path))  # the dead one's place is taken
    again.close()
    assert not path.exists()


def test_what_else_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("mine")
    assert (
        bound_refused(Listen(origin=HERE, socket=path)) == f"[listen] socket {path}: a file that is no socket is there"
    )
    assert path.read_text() == "mine"
    path.unlink()
    bound = Bound(Listen(origin=HERE, socket=path))
    path.unlink()
    path.write_text("other")
    bound.close()
    assert path.read_text() == "other"


def test_addresses_that_cannot_be(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        listen = Listen(origin=HERE, host="127.0.0.1", port=port)
        assert bound_refused(listen) == f"[listen] 127.0.0.1 port {port}: Address already in use"
    missing = Listen(origin=HERE, socket=tmp_path / "none" / "s")
    assert bound_refused(missing) == f"[listen] {tmp_path}/none/s: No such file or directory"
    grouped = Listen(origin=HERE, socket=tmp_path / "s", group="no-such-group")
    assert bound_refused(grouped) == "[listen.group] there is no group 'no-such-group'"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "exactly one of `socket` and `host`"),
        ({"host": "127.0.0.1"}, "`host` and `port` together"),
        ({"host": "127.0.0.1", "port": 1, "certificate": "c"}, "`certificate` and `key` together"),
        ({"host": "192.0.2.1", "port": 1}, "a `certificate` and `key`"),
        ({"host": "portal.example", "port": 1}, "`host` to be an address"),
        ({"host": "127.0.0.1", "port": 1, "certificate": "c", "key": "k"}, "`origin` to begin with `https://`"),
        ({"socket": "s" * 200}, "`socket` to be a short path"),
        ({"socket": "s", "certificate": "c", "key": "k"}, "no `certificate`"),
    ],
)
def test_what_a_section_cannot_say(tmp_path: Path, more: dict[str, object], why: str) -> None:
    paths = {
        name: Path(str(value)) if name in ("socket", "certificate", "key") else value for name, value in more.items()
    }
    with pytest.raises(ValueError, match=f"Expected.*{re.escape(why)}"):
        Listen(origin=HERE, **paths)  # type: ignore[arg-type]


def test_certificates(tmp_path: Path) -> None:
    """TLS 1.2 at least; a key of another certificate, or none, is refused by its file."""
    openssl = softhsm()["KAGIMORI_OPENSSL"]
    for name in ("a", "b"):
        words = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
        ]
        out = ["-keyout", f"{tmp_path}/{name}.key", "-out", f"{tmp_path}/{name}.pem"]
        subprocess.run([str(openssl), *words, *out], check=True, capture_output=True, timeout=60)
    where = {"origin": "https://localhost:8443", "host": "127.0.0.1", "port": free_port()}

    def listen(certificate: str, key: str) -> Listen:
        return Listen(**where, certificate=tmp_path / certificate, key=tmp_path / key)  # type: ignore[arg-type]

    bound = Bound(listen("a.pem", "a.key"))
    assert bound.tls is not None and bound.tls.minimum_version.name == "TLSv1_2"
    bound.close()
    for certificate, key in (("a.pem", "b.key"), ("a.key", "a.key"), ("none", "a.key")):
        message = bound_refused(listen(certificate, key))
        assert message.startswith(f"[listen] certificate {tmp_path / certificate} and key {tmp_path / key}: ")


# --- configuration --------------------------------------------------------------------------------


class Inner(Section, frozen=True):
    path: Path


class Outer(Section, frozen=True):
    inner: Inner


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[inner]", "[inner] Object missing required field `path`"),
        ("[inner]\npath = 5", "[inner.path] Expected a path"),
        ('[inner]\npath = ""', "[inner.path] Expected a path"),
        ('[inner]\npath = "x"\nmore = 1', "[inner] Object contains unknown field `more`"),
        ("[inner", "not TOML ("),
        ("\x00", "not TOML ("),
    ],
)
def test_every_error_names_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        tomlfile.load(path, Outer, "see there")
    assert refusal.value.message.startswith(f"{path}: {message}")


def test_files_that_are_not_to_be_believed(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    with pytest.raises(ConfigurationError, match="No such file"):
        tomlfile.load(path, Outer, "")
    path.write_text('[inner]\npath = "x"')
    assert tomlfile.load(path, Outer, "").inner.path == tmp_path / "x"
    path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="anybody may write to it"):
        tomlfile.load(path, Outer, "")
    path.chmod(0o600)
    path.write_text("#" * 70_000)
    with pytest.raises(ConfigurationError, match="larger than 65536 bytes"):
        tomlfile.load(path, Outer, "")
