"""«I do not recognise this»: asked, recorded in the appliance's log, told with its number, and shown from then on."""

from __future__ import annotations

import re
import sqlite3

from tests.portal.conftest import Stage
from tests.portal.portalkit import PortalProcess


def marks(stage: Stage) -> list[dict[str, object]]:
    return [one for one in stage.daemon.records() if one["kind"] == "not_recognised"]


def test_marking_a_record(stage: Stage) -> None:
    citizen = stage.citizen()
    record = stage.scene.records["rsa"][1]
    page = citizen.get(f"/history/{record}/mark")
    assert "取り消すことはできません" in page.words
    assert marks(stage) == []  # looking at the question is no answer
    page = citizen.post(f"/history/{record}/mark")
    (mark,) = marks(stage)
    assert (mark["marked"], mark["role"]) == (record, "portal")
    references = [one["reference"] for one in stage.daemon.records() if "reference" in one]
    assert references.count(mark["reference"]) == 1, "nothing joins it to what else was asked in this session"
    assert f'<strong id="receipt">{mark["record"]}</strong>' in page.text
    assert "申し出を受け付けました" in page.words
    told = f"「覚えがない」と申し出済み（受付番号 {mark['record']}）"
    for path in ("/history", f"/history/{record}", "/export"):
        assert told in citizen.get(path).text
    assert f'href="/history/{record}/mark"' not in citizen.get("/history").text

    citizen.page = page
    again = stage.citizen()
    assert f">{mark['record']}<" in again.get(f"/history/{record}/mark").text
    again.get("/export")
    assert f">{mark['record']}<" in again.post(f"/history/{record}/mark").text
    assert len(marks(stage)) == 1


def test_a_mark_is_the_persons_own_and_lasts(stage: Stage) -> None:
    """Another portal process with the same file still shows it; to nobody else; and the file names nobody."""
    citizen = stage.citizen("ec")
    record = stage.scene.records["ec"][2]
    citizen.get(f"/history/{record}/mark")
    citizen.post(f"/history/{record}/mark")
    told = f"受付番号 {marks(stage)[-1]['record']}"
    with PortalProcess(stage.scene, "second") as second:
        for name, expected in (("ec", True), ("rsa", False)):
            other = second.citizen()
            other.sign_in(stage.scene.cards.cards[name])
            assert (told in other.get(f"/history?before={record + 1}").words) is expected
    file = stage.scene.folder / "marks.sqlite"
    assert file.stat().st_mode & 0o777 == 0o600
    content = file.read_bytes()
    assert not any(number.encode() in content for number in stage.scene.numbers.values())
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT person, record FROM mark").fetchall()
    connection.close()
    assert record in [row[1] for row in rows]
    assert all(len(row[0]) == 32 for row in rows)


def test_in_english(stage: Stage) -> None:
    citizen = stage.citizen("ec", "en")
    record = stage.scene.records["ec"][3]
    assert "cannot be taken back" in citizen.get(f"/history/{record}/mark").words
    page = citizen.post(f"/history/{record}/mark")
    assert re.search(r"Your report is recorded .* Receipt \d+", page.words)
