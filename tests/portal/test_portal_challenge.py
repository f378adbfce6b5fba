"""Challenges: one form, good once, soon, and in one browser; bounded in number."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from cardkit import PORTAL
from hypothesis import given, settings
from hypothesis import strategies as st
from signinkit import NOW, Clock

from appliance.portal.signin import challenge as challenge_module
from appliance.portal.signin.challenge import MOST_OF_SESSION, Challenge, Challenges, parse
from appliance.portal.signin.reasons import ChallengeRefused, Reason


def refusal(challenges: Challenges, document: bytes, session: str = "mine") -> Reason:
    with pytest.raises(ChallengeRefused) as refused:
        challenges.take(document, session)
    return refused.value.reason


def test_it_names_the_portal_and_its_times_and_is_canonical() -> None:
    issued = Challenges(PORTAL, Clock()).issue("mine")
    told = json.loads(issued.text)
    assert told["portal"] == PORTAL and told["type"] == "kagimori/portal-sign-in"
    assert (told["issued"], told["expires"]) == ("2026-04-01T09:00:00Z", "2026-04-01T09:05:00Z")
    assert issued.document == json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    assert parse(issued.document) == issued


def test_nonces_differ() -> None:
    challenges = Challenges(PORTAL)
    assert len({challenges.issue(f"s{n}").nonce for n in range(1_000)}) == 1_000


def test_it_is_good_once() -> None:
    challenges = Challenges(PORTAL, Clock())
    issued = challenges.issue("mine")
    assert challenges.take(issued.document, "mine") == issued
    assert refusal(challenges, issued.document) is Reason.REPLAYED
    assert refusal(challenges, issued.document) is Reason.REPLAYED


def test_another_browser_neither_enters_with_it_nor_uses_it_up() -> None:
    challenges = Challenges(PORTAL, Clock())
    issued = challenges.issue("mine")
    assert refusal(challenges, issued.document, "theirs") is Reason.NOT_YOURS
    assert challenges.take(issued.document, "mine") == issued


@pytest.mark.parametrize(("seconds", "late"), [(0, False), (299, False), (300, True), (301, True), (100_000, True)])
def test_it_is_good_for_five_minutes(seconds: int, late: bool) -> None:
    clock = Clock()
    challenges = Challenges(PORTAL, clock)
    issued = challenges.issue("mine")
    clock.forward(seconds=seconds)
    if late:
        assert refusal(challenges, issued.document) is Reason.TOO_LATE
    else:
        assert challenges.take(issued.document, "mine")


def test_one_forgotten_because_it_is_old_is_still_called_late() -> None:
    clock = Clock()
    challenges = Challenges(PORTAL, clock)
    issued = challenges.issue("mine")
    clock.forward(minutes=6)
    challenges.issue("mine")
    assert len(challenges) == 1
    assert refusal(challenges, issued.document) is Reason.TOO_LATE


def test_another_portals_is_unknown() -> None:
    challenges = Challenges(PORTAL, Clock())
    elsewhere = Challenges("https://other.example", Clock()).issue("mine")
    assert refusal(challenges, elsewhere.document) is Reason.UNKNOWN_CHALLENGE


def test_a_longer_life_or_another_portal_cannot_be_written_into_it() -> None:
    clock = Clock()
    challenges = Challenges(PORTAL, clock)
    issued = challenges.issue("mine")
    for change in ({"expires": "2027-04-01T09:05:00Z"}, {"portal": "https://other.example"}):
        forged = Challenge(**{**json.loads(issued.text), **change})
        assert refusal(challenges, forged.document) is Reason.UNKNOWN_CHALLENGE
    assert challenges.take(issued.document, "mine")


@pytest.mark.parametrize(
    "change",
    [
        {"type": "kagimori/plan"},
        {"nonce": "short"},
        {"nonce": "A" * 42 + "="},
        {"portal": "https://portal.example/"},
        {"portal": "http://portal.example"},
        {"portal": "https://Portal.example"},
        {"portal": "https://portal.example@evil.example"},
        {"expires": "2026-04-01T09:00:00Z"},
        {"expires": "soon"},
        {"more": "x"},
    ],
)
def test_what_is_no_challenge_is_not_signed(change: dict[str, str]) -> None:
    told = json.loads(Challenges(PORTAL, Clock()).issue("mine").text)
    document = json.dumps({**told, **change}, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(ChallengeRefused) as refused:
        parse(document)
    assert refused.value.reason is Reason.MALFORMED


def test_another_encoding_of_the_same_is_not_signed() -> None:
    text = Challenges(PORTAL, Clock()).issue("mine").text
    for other in (text.replace(":", ": ", 1), text.replace("https", "\\u0068ttps"), text + "\n", text[:-1], ""):
        with pytest.raises(ChallengeRefused):
            parse(other.encode())
    with pytest.raises(ChallengeRefused):
        parse(b'{"a":"' + b"x" * 2_000 + b'"}')


def test_a_session_has_three_at_most_and_its_oldest_goes() -> None:
    challenges = Challenges(PORTAL, Clock())
    issued = [challenges.issue("mine") for _ in range(MOST_OF_SESSION + 2)]
    assert len(challenges) == MOST_OF_SESSION
    assert [refusal(challenges, one.document) for one in issued[:2]] == [Reason.UNKNOWN_CHALLENGE] * 2
    assert all(challenges.take(one.document, "mine") for one in issued[2:])


def test_the_oldest_of_all_goes_when_there_are_too_many() -> None:
    challenges = Challenges(PORTAL, Clock(), most=10)
    issued = [challenges.issue(f"s{place}") for place in range(25)]
    assert len(challenges) == 10
    assert refusal(challenges, issued[14].document, "s14") is Reason.UNKNOWN_CHALLENGE
    assert challenges.take(issued[15].document, "s15")


def test_a_portal_needs_an_origin() -> None:
    with pytest.raises(ValueError, match="Expected `https://`"):
        Challenges("http://portal.example")


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["issue", "take", "wait"]), st.integers(0, 3), st.integers(0, 9))))
def test_whatever_happens_nobody_enters_twice_or_for_another_or_late(steps: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    challenges = Challenges(PORTAL, clock, most=6)
    issued: list[tuple[Challenge, str]] = []
    taken: set[str] = set()
    for what, who, which in steps:
        if what == "issue":
            issued.append((challenges.issue(f"s{who}"), f"s{who}"))
        elif what == "wait":
            clock.forward(seconds=which * 40)
        elif which < len(issued):
            one, owner = issued[which]
            try:
                challenges.take(one.document, f"s{who}")
            except ChallengeRefused:
                continue
            assert f"s{who}" == owner and one.nonce not in taken
            assert clock() < NOW + timedelta(days=99) and one.expires > clock().strftime("%Y-%m-%dT%H:%M:%SZ")
            taken.add(one.nonce)
        assert len(challenges) <= 6
    assert set(challenges._of_session) == {kept.session for kept in challenges._issued.values()}


def test_the_nonce_has_256_bits() -> None:
    assert challenge_module.NONCE_BYTES * 8 == 256
