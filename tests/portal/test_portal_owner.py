"""Nobody but the owner of a number sees its history, whatever they send; and what is remembered of them ends."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace

import pytest

from tests.portal.conftest import Stage
from tests.portal.portalkit import Citizen
from tests.web.pagekit import Page

PERSONAL = ("/history", "/history/5", "/history/5/mark", "/history/5/proof.json", "/export", "/export.json")


def is_sign_in(page: Page) -> bool:
    return page.status == 303 and page.headers["location"] == "/sign-in"


def others(stage: Stage) -> list[int]:
    """Records that are not of the person with the card `rsa`: somebody else's, no conversion, none at all."""
    last = len(stage.daemon.records())
    return [*stage.scene.records["ec"][:3], 1, last + 1, 2**53 - 2]


def test_without_a_card_there_is_nothing(stage: Stage) -> None:
    browser = stage.portal.citizen()
    for path in PERSONAL:
        assert is_sign_in(browser.get(path, follow=False))
    browser.get("/sign-in")
    for path in PERSONAL:  # with a session that nobody has signed in to
        assert is_sign_in(browser.get(path, follow=False))
    browser.get("/sign-in")
    assert is_sign_in(browser.post("/history/5/mark", follow=False))


def test_somebody_elses_records_are_as_records_that_do_not_exist(stage: Stage) -> None:
    citizen = stage.citizen()
    pages = [
        citizen.get(f"/history/{record}{more}") for record in others(stage) for more in ("", "/mark", "/proof.json")
    ]
    assert {page.status for page in pages} == {404}
    texts = {re.sub(r"back=[^\"]*", "", page.text) for page in pages}
    assert len(texts) == 1  # to the letter
    mine = stage.scene.records["rsa"][0]
    assert citizen.get(f"/history/{mine}").status == 200


def test_somebody_elses_record_cannot_be_marked(stage: Stage) -> None:
    citizen = stage.citizen()
    citizen.get(f"/history/{stage.scene.records['rsa'][0]}/mark")
    for record in others(stage):
        before = len(stage.daemon.records())
        assert citizen.post(f"/history/{record}/mark").status == 404
        assert "not_recognised" not in [one["kind"] for one in stage.daemon.records()[before:]]


@pytest.mark.parametrize(
    "path",
    [
        "/history/%35",
        "/history/5%2f",
        "/history/5/",
        "/history/5/../7",
        "/history//5",
        "//history/5",
        "/history/05",
        "/history/+5",
        "/history/5.0",
        "/history/0x5",
        "/history/5;x",
        "/history/99999999999999999999999999",
        "/history/-1",
        "/history/%2e%2e/export.json",
        "/export.json/",
        "/Export.json",
        "/history/5/proof.JSON",
        "/style/../wording.toml",
        "/sign-in/../history",
    ],
)
def test_paths_that_lead_nowhere(stage: Stage, path: str) -> None:
    assert stage.citizen().get(path).status == 404


HEADERS = [
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-User": "root"},
    {"X-Original-URL": "/export.json"},
    {"X-Rewrite-URL": "/export.json"},
    {"X-HTTP-Method-Override": "GET"},
    {"X-Remote-User": "rsa"},
    {"X-SSL-Client-Verify": "SUCCESS"},
    {"Authorization": "Basic " + b64encode(b"rsa:rsa").decode()},
    {"Forwarded": "for=127.0.0.1;host=portal"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=lambda one: next(iter(one)))
def test_no_header_makes_somebody_of_a_visitor(stage: Stage, headers: dict[str, str]) -> None:
    for path in PERSONAL:
        assert is_sign_in(stage.portal.citizen().get(path, follow=False, **headers))


@pytest.mark.parametrize("headers", HEADERS, ids=lambda one: next(iter(one)))
def test_no_header_and_no_parameter_makes_somebody_else_of_a_citizen(stage: Stage, headers: dict[str, str]) -> None:
    citizen, mine = stage.citizen(), stage.scene.records["rsa"][::-1]
    number = stage.scene.numbers["ec"]
    for query in ("", f"?number={number}", f"?common={number}&source=common", f"?holder={number}&reference=x"):
        answer = citizen.get(f"/export.json{query}", **headers)
        assert [one["record"] for window in answer.json["histories"] for one in window["conversions"]] == mine


def test_cookies_that_were_made_up(stage: Stage) -> None:
    citizen = stage.citizen()
    (name,) = citizen.cookies
    real = citizen.cookies[name]
    wrong = [real[:-1], real + "A", real.swapcase(), "", "a" * 43, "../" + real, "é" * 20, "x" * 4_000]
    for value in wrong:
        forged = Citizen(citizen.origin, citizen.port, cookies={name: value.encode().decode("latin-1")})
        assert is_sign_in(forged.get("/history", follow=False))
    assert Citizen(citizen.origin, citizen.port, cookies={name: f"{real}\0"}).get("/history").status == 400  # no HTTP
    assert citizen.get("/history").status == 200


def test_two_people_at_the_same_time(stage: Stage) -> None:
    one, two = stage.citizen("rsa"), stage.citizen("ec")
    for _ in range(3):
        for citizen, name in ((one, "rsa"), (two, "ec")):
            found = citizen.get("/export.json").json["histories"]
            assert [c["record"] for window in found for c in window["conversions"]] == stage.scene.records[name][::-1]


def test_signing_out_ends_the_session_and_not_only_the_cookie(stage: Stage) -> None:
    citizen = stage.citizen()
    kept = dict(citizen.cookies)
    citizen.get("/history")
    page = citizen.post("/sign-out")
    assert "ログアウトしました" in page.words
    assert 'src="/signed-out/seal.svg"' in page.text
    assert citizen.get("/signed-out/seal.svg").headers["clear-site-data"] == '"cache"'
    assert "session" not in citizen.cookies
    citizen.cookies = kept
    for path in PERSONAL:
        assert is_sign_in(citizen.get(path, follow=False))


def test_a_session_that_was_planted_before_is_worth_nothing_after(stage: Stage) -> None:
    """Session fixation: the attacker's session is given to the victim, who signs in."""
    attacker = stage.portal.citizen()
    attacker.get("/sign-in")
    victim = Citizen(attacker.origin, attacker.port, cookies=dict(attacker.cookies))
    challenge = victim.get("/sign-in").pre("challenge")
    assert victim.answer(stage.scene.cards.cards["rsa"].answer(challenge)).status == 200
    assert attacker.cookies != victim.cookies
    assert is_sign_in(attacker.get("/history", follow=False))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json"},
    ],
    ids=str,
)
def test_forms_from_elsewhere_do_nothing(stage: Stage, headers: dict[str, str]) -> None:
    citizen = stage.citizen()
    record = stage.scene.records["rsa"][0]
    citizen.get(f"/history/{record}/mark")
    before = len(stage.daemon.records())
    assert citizen.post(f"/history/{record}/mark", **headers).status in (403, 415)
    assert citizen.post("/sign-out", **headers).status in (403, 415)
    assert "not_recognised" not in [one["kind"] for one in stage.daemon.records()[before:]]
    assert citizen.get("/history").status == 200


def test_a_form_needs_the_token_of_its_own_session(stage: Stage) -> None:
    citizen, other = stage.citizen(), stage.citizen("ec")
    record = stage.scene.records["rsa"][0]
    foreign = other.get("/export").csrf
    own = citizen.get(f"/history/{record}/mark").csrf
    assert own and foreign and own != foreign
    for token in ("", foreign, own[:-1], own.swapcase()):
        assert citizen.post(f"/history/{record}/mark", {"csrf": token}).status == 403
    citizen.page = None
    assert citizen.post(f"/history/{record}/mark").status == 403


def test_cookies_and_pages_are_kept_from_scripts_sites_and_caches(stage: Stage) -> None:
    citizen = stage.portal.citizen()
    page = citizen.get("/sign-in")
    (cookie,) = page.cookies
    assert re.fullmatch(r"session=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict", cookie)
    for path in ("/history", "/export.json", "/nowhere"):
        headers = stage.citizen().get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
        assert headers["referrer-policy"] == "same-origin"


def test_a_card_that_is_given_to_somebody_else_ends_the_session(stage: Stage) -> None:
    """The register's file is asked for every page: who is in it no more sees nothing more."""
    cards = stage.scene.cards
    cards.issue("lent")
    card = cards.register(cards.cards["lent"].certificate, stage.scene.numbers["ec"], "借 人")
    cards.refresh()
    citizen = stage.citizen("lent")
    cards.rows[card] = replace(cards.rows[card], common=stage.scene.numbers["rsa"])
    cards.refresh()
    found = citizen.get("/export.json").json["histories"]
    assert [one["record"] for window in found for one in window["conversions"]] == stage.scene.records["rsa"][::-1]
    del cards.rows[card]
    cards.refresh()
    page = citizen.get("/history")
    assert page.status == 403
    assert "カードの登録が変わりました" in page.words
    assert is_sign_in(citizen.get("/history", follow=False))
