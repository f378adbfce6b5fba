"""Sessions: found by their cookie alone, over in time, bounded in number; nobody pushes out who is signed in."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from appliance.web.origin import Origin
from appliance.web.sessions import Session, Sessions

SECURE, PLAIN = Origin.parse("https://portal.example"), Origin.parse("http://localhost:8080")


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Kept:
    """Sessions with a clock, and a browser."""

    clock: Clock = field(default_factory=Clock)
    most: int = 3

    def __post_init__(self) -> None:
        self.sessions: Sessions[str] = Sessions(PLAIN, idle=600, longest=3_600, most=self.most, now=self.clock)

    def find(self, session: Session[str] | str) -> Session[str] | None:
        cookie = session if isinstance(session, str) else session.cookie
        return self.sessions.find(make_mocked_request("GET", "/", headers={"Cookie": f"session={cookie}"}))


def test_a_session_is_found_by_its_cookie_until_it_ends() -> None:
    kept = Kept()
    one, other = kept.sessions.begin("one"), kept.sessions.begin()
    assert (kept.find(one), kept.find(other)) == (one, other)
    kept.sessions.end(one)
    assert (kept.find(one), kept.find(other)) == (None, other)
    assert kept.find("") is kept.find("x" * 65) is kept.find(one.name) is kept.find(one.csrf) is None


def test_everything_in_it_is_random_and_shown_nowhere() -> None:
    kept = Kept()
    secrets = [
        part for one in (kept.sessions.begin(), kept.sessions.begin()) for part in (one.cookie, one.name, one.csrf)
    ]
    assert len(set(secrets)) == 6
    assert all(len(one) == 43 for one in secrets)  # 256 bits in base64url
    one = kept.sessions.begin()
    assert not any(secret in repr(one) for secret in (one.cookie, one.name, one.csrf))


def test_idle_too_long_and_too_old() -> None:
    kept = Kept()
    one, other = kept.sessions.begin("one"), kept.sessions.begin("other")
    for _ in range(6):
        kept.clock.now += 600
        assert kept.find(one) is one
    assert kept.find(other) is None
    kept.clock.now += 1
    assert kept.find(one) is None
    kept.clock.now -= 10_000
    assert kept.find(one) is None  # it is over, whatever the clock says


def test_the_one_that_was_idle_longest_goes_first() -> None:
    kept = Kept()
    first, second, third = (kept.sessions.begin(str(n)) for n in range(3))
    kept.find(first)
    fourth = kept.sessions.begin("3")
    assert kept.find(second) is None
    assert all(kept.find(one) is one for one in (first, third, fourth))


def test_empty_sessions_push_out_nobody_who_is_signed_in() -> None:
    kept = Kept()
    held = kept.sessions.begin("somebody")
    for _ in range(1_000):
        kept.sessions.begin()
    assert kept.find(held) is held
    assert kept.sessions.counts == (1, 3)


def test_a_form_is_of_its_session() -> None:
    one, other = Kept().sessions.begin(), Kept().sessions.begin()
    assert one.owns(one.csrf)
    assert not any(one.owns(token) for token in ("", other.csrf, one.csrf[:-1], "é", one.csrf + "A"))


@pytest.mark.parametrize(("origin", "name", "more"), [(SECURE, "__Host-session", "; Secure"), (PLAIN, "session", "")])
def test_the_cookie(origin: Origin, name: str, more: str) -> None:
    sessions: Sessions[str] = Sessions(origin)
    session = sessions.begin()
    response = web.Response()
    sessions.give(response, session)
    expected = f"{name}={session.cookie}; HttpOnly; Path=/; SameSite=Strict{more}"
    assert response.cookies[name].OutputString() == expected
    sessions.clear(response)
    assert "Max-Age=0" in response.cookies[name].OutputString()
    wrong = {"__Host-session": "session", "session": "__Host-session"}[name]
    assert sessions.find(make_mocked_request("GET", "/", headers={"Cookie": f"{wrong}={session.cookie}"})) is None
