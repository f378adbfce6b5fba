"""What a citizen sees after signing in: their records, all of them, in words of their language, each with its proof."""

from __future__ import annotations

import re
from html import escape

import pytest

from tests.portal.conftest import Stage
from tests.portal.portalkit import NAMES, Citizen
from tests.web.pagekit import Page


def shown(page: Page) -> list[int]:
    """The records on a page, in its order."""
    return [int(one) for one in re.findall(r'<article [^>]*aria-labelledby="record-(\d+)"', page.text)]


def article(page: Page, record: int) -> str:
    """What is said of one record, as HTML."""
    found = re.search(rf'<article [^>]*aria-labelledby="record-{record}".*?</article>', page.text, re.DOTALL)
    assert found is not None
    return found[0]


def test_all_records_of_the_person_and_nobody_elses(stage: Stage) -> None:
    for name in ("rsa", "ec"):
        page = stage.citizen(name).get("/history")
        assert shown(page) == stage.scene.records[name][::-1]
    assert not set(stage.scene.records["rsa"]) & set(stage.scene.records["ec"])


def test_the_sentence_in_japanese_and_in_english(stage: Stage) -> None:
    citizen = stage.citizen()
    newest = stage.scene.records["rsa"][-1]
    page = citizen.get("/history")
    assert page.language == "ja"
    assert (
        "情報連携基盤が、あなたの番号を「税（A）」から「共通番号を利用する社会保障分野（B）」へ変換しました。"
        in article(page, newest)
    )
    assert re.search(r"20\d\d年\d{1,2}月\d{1,2}日 \d\d:\d\d", article(page, newest))
    citizen.get(f"/language/en?back=/history/{newest}")
    page = citizen.get("/history")
    assert page.language == "en"
    assert (
        "The information-linkage hub converted your number from “tax (A)” to “social security using the common "
        "number (B)”."
    ) in article(page, newest)
    assert "<dt>Purpose</dt><dd>exchange of information</dd>" in article(page, newest)


def test_co_signed_records_and_newer_ones_are_told_apart(stage: Stage) -> None:
    page = stage.citizen().get("/history")
    *old, newer, newest = stage.scene.records["rsa"]
    for record in old:
        assert "証明済み（連署あり）" in article(page, record)
    for record in (newer, newest):
        assert "証明済み（連署待ち）" in article(page, record)
    assert "証明できません" not in page.words


def test_names_and_references_are_text_whatever_is_in_them(stage: Stage) -> None:
    citizen = stage.citizen()
    newest = stage.scene.records["rsa"][-1]
    for path in ("/history", f"/history/{newest}", f"/history/{newest}/mark", "/export"):
        page = citizen.get(path)
        assert "<script" not in page.text
        assert "<b>" not in page.text
        assert escape("案件 <b>rsa</b>") in page.text
    assert escape(NAMES["rsa"]) in citizen.get("/history").text
    assert escape(NAMES["rsa"]) in citizen.get("/export").text


def test_each_look_is_a_record_that_stands_for_the_session_and_not_for_the_person(stage: Stage) -> None:
    citizen = stage.citizen()
    citizen.get("/history")
    other = stage.citizen("ec")
    looks = [one for one in stage.daemon.records() if one["kind"] == "history_read"]
    *_, first, second = looks
    assert first["role"] == second["role"] == "portal"
    assert re.fullmatch(r"portal-[0-9a-f]{24}", first["reference"])
    assert first["reference"] != second["reference"]
    citizen.get("/history")
    assert stage.daemon.records()[-1]["reference"] == first["reference"]
    everything = str(stage.daemon.records()) + stage.portal.log + str(stage.portal.journal)
    for secret in (*stage.scene.numbers.values(), *NAMES.values(), *citizen.cookies.values(), *other.cookies.values()):
        assert secret not in everything
    assert "閲覧したこと自体も、監査記録に残ります" in citizen.get("/history").words


@pytest.mark.parametrize(
    ("query", "purposes"),
    [
        ("sector=sspin.B", {"exchange"}),
        ("sector=sspin.F", set()),
        ("purpose=linking", {"linking"}),
        ("purpose=linking&sector=sspin.B", set()),
        ("since=2000-01-01&until=2999-12-31", {"exchange", "linking"}),
        ("since=2999-01-01", set()),
        ("until=2000-01-01", set()),
    ],
)
def test_narrowing_down(stage: Stage, query: str, purposes: set[str]) -> None:
    expected = [one for one in stage.scene.records["rsa"] if _purpose(stage, one) in purposes]
    page = stage.citizen().get(f"/history?{query}")
    assert shown(page) == expected[::-1]
    assert ("この条件に合う記録は、調べた範囲にはありません。" in page.words) is (not expected)


def _purpose(stage: Stage, record: int) -> str:
    return str(stage.daemon.records()[record - 1]["purpose"])


@pytest.mark.parametrize(
    "query",
    ["sector=%3Cscript%3E", "since=yesterday", "until=2026-13-01", "since=0000-00-00", "purpose=" + "x" * 80],
)
def test_a_filter_that_no_page_sends(stage: Stage, query: str) -> None:
    page = stage.citizen().get(f"/history?{query}")
    assert page.status == 400
    assert "お送りいただいた内容を読み取れませんでした" in page.words


def test_pages_go_on_where_the_last_one_ended(stage: Stage) -> None:
    citizen = stage.citizen()
    mine = stage.scene.records["rsa"]
    page = citizen.get(f"/history?before={mine[-2]}")
    assert shown(page) == mine[:-2][::-1]
    assert 'href="/history"' in page.text
    for before in ("0", "-1", "01", "%EF%BC%91", "99999999999999999999", "x", ""):
        assert citizen.get(f"/history?before={before}").status == 404


def test_a_long_history_is_paged(stage: Stage) -> None:
    """More records than fit on a page: walked through to the end, each once."""
    scene, daemon = stage.scene, stage.daemon
    scene.exchange(daemon, "ec", "many", times=45)
    citizen = stage.citizen("ec")
    seen, page = [], citizen.get("/history")
    while True:
        seen += shown(page)
        older = re.search(r'href="(/history\?before=\d+)"', page.text)
        if older is None:
            break
        assert len(shown(page)) == 20
        page = citizen.get(older[1])
    assert seen == scene.records["ec"][::-1]
    filtered, page = [], citizen.get("/history?sector=sspin.B")
    while True:
        filtered += shown(page)
        older = re.search(r'href="(/history\?before=\d+)&amp;sector=sspin.B"', page.text)
        if older is None:
            break
        page = citizen.get(older[1] + "&sector=sspin.B")
    assert filtered == [one for one in seen if _purpose(stage, one) == "exchange"]


def test_the_sheet_and_the_file_have_everything(stage: Stage) -> None:
    citizen = stage.citizen()
    mine = stage.scene.records["rsa"][::-1]
    page = citizen.get("/export")
    assert [int(one) for one in re.findall(r'data-label="記録番号">(\d+)<', page.text)] == mine
    assert f"{len(mine)} 件（すべて）" in page.words
    file = citizen.get("/export.json")
    assert file.headers["content-type"] == "application/json"
    assert file.headers["content-disposition"] == 'attachment; filename="my-linkage-history.json"'
    assert file.json["complete"] is True
    assert [one["record"] for window in file.json["histories"] for one in window["conversions"]] == mine


def test_somebody_of_whom_nothing_is_known(stage: Stage) -> None:
    """A person who has a number, and no conversion but the one that made it."""
    scene = stage.scene
    scene.numbers["new"] = scene._convert(stage.daemon, "new", "numbering", "resident", "common", "00000000077")
    scene.cards.issue("new")
    scene.cards.register(scene.cards.cards["new"].certificate, scene.numbers["new"], "新 人")
    scene.cards.refresh()
    assert shown(stage.citizen("new").get("/history")) == scene.records["new"]


def test_every_page_says_what_it_is(stage: Stage) -> None:
    """A title of its own, one main heading, landmarks, a label for every field, a language for every page."""
    citizen = stage.citizen()
    newest = stage.scene.records["rsa"][-1]
    titles = set()
    signed_out = stage.portal.citizen()
    for browser, path in [
        *((signed_out, path) for path in ("/", "/sign-in", "/signed-out", "/nowhere")),
        *((citizen, path) for path in ("/history", f"/history/{newest}", f"/history/{newest}/mark", "/export")),
    ]:
        page = browser.get(path)
        titles.add(re.search("<title>(.*?)</title>", page.text)[1])  # type: ignore[index]
        assert len(re.findall("<h1", page.text)) == 1
        assert all(f"<{one}" in page.text for one in ("header", "main", "footer", "nav"))
        assert "<script" not in page.text and " style=" not in page.text and "onclick" not in page.text
        fields = re.findall(r'<(?:input|select|textarea) [^>]*id="([^"]+)"', page.text)
        assert all(f'<label for="{one}"' in page.text for one in fields)
    assert len(titles) == 8


def test_the_pages_are_the_same_for_a_citizen_who_asks_for_neither_language(stage: Stage) -> None:
    browser = Citizen(stage.portal.origin, stage.portal.port, "fr, de;q=0.8")
    assert browser.get("/").language == "ja"
    assert Citizen(stage.portal.origin, stage.portal.port, "en-GB, ja;q=0.9").get("/").language == "en"
