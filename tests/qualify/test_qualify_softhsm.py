"""SoftHSM2 qualifies in full; the report says so as text, page and JSON, and nothing else on the token is touched."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.qualify.checks import CHECKS, NOTHING_LEFT
from appliance.qualify.table import Need
from tests import vendorkit
from tests.vendorkit import PIN, Vendor

ALL = (*CHECKS, NOTHING_LEFT)
LACKING = {"wrap.oaep-sha256"}  # SoftHSM knows OAEP with SHA-1 alone, which is worked around


@dataclass(frozen=True)
class Qualified:
    """One run, and all that it wrote."""

    vendor: Vendor
    done: subprocess.CompletedProcess[str]
    page: str
    data: dict[str, object]
    before: str
    after: str


@pytest.fixture(scope="module")
def qualified(tmp_path_factory: pytest.TempPathFactory) -> Qualified:
    folder = tmp_path_factory.mktemp("qualify")
    vendor = vendorkit.softhsm2(folder / "token")
    # two keys that only look like scratch objects: by the label alone, by the CKA_ID alone
    vendorkit.tool(vendor, "--keygen", "--key-type", "AES:32", "--id", "00" * 16, "--label", "kagimori-qualify key")
    looks_like = b"kmqualif".ljust(16, b"x").hex()
    vendorkit.tool(vendor, "--keygen", "--key-type", "AES:32", "--id", looks_like, "--label", "somebody's")
    before = vendorkit.listed(vendor)
    page, data = folder / "report.html", folder / "report.json"
    done = vendor.qualify("--quick", "--html", str(page), "--json", str(data))
    assert done.stderr == "" and done.returncode == 0, done.stderr + done.stdout
    return Qualified(
        vendor, done, page.read_text("utf-8"), json.loads(data.read_bytes()), before, vendorkit.listed(vendor)
    )


def test_it_is_fit_and_every_check_but_the_known_one_passed(qualified: Qualified) -> None:
    assert "\nVERDICT  Fit for production.\n" in qualified.done.stdout
    found = {row["id"]: row["result"] for row in qualified.data["checks"]}  # type: ignore[attr-defined]
    assert list(found) == [check.id for check in ALL]
    assert {name for name, result in found.items() if result != "passed"} == LACKING
    assert (qualified.data["verdict"], qualified.data["lacks"]) == ("fit for production", [])


def test_the_text_tells_every_check_with_its_need_and_what_was_seen(qualified: Qualified) -> None:
    text = qualified.done.stdout
    for check in ALL:
        assert re.search(rf"^  (ok|MISSING) +{re.escape(check.id)} \({check.need}\): ", text, re.MULTILINE), check.id
    assert "C_WrapKey under a key that is not trusted: CKR_KEY_NOT_WRAPPABLE" in text
    assert "reading CKA_VALUE: CKR_ATTRIBUTE_SENSITIVE" in text
    assert max(map(len, text.splitlines())) <= 110


def test_the_page_says_the_same_and_fetches_nothing(qualified: Qualified) -> None:
    page = qualified.page
    for check in ALL:
        assert f'id="{check.id}"' in page
    assert "<strong>Fit for production.</strong>" in page
    assert not re.search(r"<script|<link|<img|url\(|https?:", page)
    assert "@media print" in page


def test_speeds_are_figures(qualified: Qualified) -> None:
    figures = {row["id"]: row["figures"] for row in qualified.data["checks"]}  # type: ignore[attr-defined]
    for check in ALL:
        if check.need is Need.MEASURED:
            assert figures[check.id] and all(value > 0 for value in figures[check.id].values()), check.id
    assert set(figures["speed.blocks"]) == {
        "1 block", "16 blocks", "256 blocks", "4096 blocks", "8192 blocks", "ns a block"
    }  # fmt: skip


def test_no_secret_and_no_place_of_this_machine_is_in_any_report(qualified: Qualified) -> None:
    for report in (qualified.done.stdout, qualified.page, json.dumps(qualified.data)):
        assert PIN not in report
        assert not re.search(r"/(usr|home|root|tmp|var|work)/", report)


def test_other_objects_are_as_before_though_they_look_alike(qualified: Qualified) -> None:
    assert "somebody's" in qualified.before and "kagimori-qualify key" in qualified.before
    assert qualified.after == qualified.before


def test_an_output_that_is_there_is_not_overwritten(qualified: Qualified, tmp_path: Path) -> None:
    kept = tmp_path / "kept.html"
    kept.write_text("mine")
    done = qualified.vendor.qualify("--html", str(kept))
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: {kept}: is there already\n")
    assert kept.read_text() == "mine"


def test_without_the_so_pin_backup_is_not_tried_and_nothing_is_decided(qualified: Qualified) -> None:
    """Only the wrapping checks, by the runner itself."""
    vendor = qualified.vendor
    program = (
        "import sys; from pathlib import Path; from appliance import progress\n"
        "from appliance.qualify import runner, text; from appliance.qualify.checks import CHECKS\n"
        "from appliance.token.trials.bench import Terms\n"
        f"terms = Terms(Path({str(vendor.module)!r}), {vendor.label!r}, None, sys.stdin.readline().strip())\n"
        "chosen = tuple(one for one in CHECKS if one.id in ('wrap.so-trusts', 'seal.seal'))\n"
        "print(text.render(runner.qualify(terms, progress.silent, checks=chosen)))"
    )
    said = vendorkit.python(vendor, program, PIN + "\n")
    assert "VERDICT  Not decided: nothing that was tried failed" in said
    assert "? not tried, needs the PIN of the token's security officer: --so-pin-file: wrap.so-trusts\n" in said


def test_a_wrong_pin_is_tried_once_and_nothing_is_made(qualified: Qualified, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(0o600)
    wrong.write_text("00000001\n")
    done = qualified.vendor.qualify("--pin-file", str(wrong))  # the last one given counts
    assert done.returncode == 5
    assert done.stderr.startswith("error: token 'kagimori-trial' (serial ")
    assert "wrong PIN; it was tried once" in done.stderr and "Traceback" not in done.stderr
    assert vendorkit.listed(qualified.vendor) == qualified.before
