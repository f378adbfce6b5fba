"""What every test may ask for: SoftHSM2 with a token folder of the test process's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from softhsmkit import PROJECT, SoftHSM

_NEEDED = tuple(
    f"KAGIMORI_{name}" for name in ("SOFTHSM_MODULE", "SOFTHSM2_UTIL", "PKCS11_TOOL", "PKCS11_SPY", "OPENSSL", "CURL")
)
MISSING = "SoftHSM2 is not set up here: `make test` installs it (softhsm-config/bootstrap.sh alone does, too)"


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; tests of Ctrl-C could not send any
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _bootstrapped() -> dict[str, Path]:
    """The paths that softhsm-config/bootstrap.sh has written."""
    written = PROJECT / "var" / "softhsm" / "env"
    if not written.is_file():
        pytest.fail(MISSING, pytrace=False)
    pairs = (line.split("=", 1) for line in written.read_text(encoding="utf-8").splitlines())
    paths = {name: Path(value) for name, value in pairs}
    if absent := [name for name in _NEEDED if name not in paths or not paths[name].exists()]:
        pytest.fail(f"{', '.join(absent)} in {written}: not there. {MISSING}", pytrace=False)
    return paths


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHSM]:
    """SoftHSM2 with an empty token folder, one per test process; SOFTHSM2_CONF points to it throughout."""
    paths = _bootstrapped()
    home = tmp_path_factory.mktemp("softhsm")
    (home / "tokens").mkdir(mode=0o700)
    template = (PROJECT / "softhsm-config" / "softhsm2.conf.in").read_text(encoding="utf-8")
    (home / "softhsm2.conf").write_text(template.replace("@TOKENS@", str(home / "tokens")), encoding="utf-8")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(home / "softhsm2.conf")
    yield SoftHSM(
        module=paths["KAGIMORI_SOFTHSM_MODULE"],
        softhsm2_util=paths["KAGIMORI_SOFTHSM2_UTIL"],
        pkcs11_tool=paths["KAGIMORI_PKCS11_TOOL"],
        pkcs11_spy=paths["KAGIMORI_PKCS11_SPY"],
        openssl=paths["KAGIMORI_OPENSSL"],
        curl=paths["KAGIMORI_CURL"],
        configuration=home / "softhsm2.conf",
    )
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The fault table (tests/faults), if any of its cells was run."""
    reports = [report for of_kind in terminalreporter.stats.values() for report in of_kind]
    if any(getattr(report, "user_properties", ()) for report in reports):
        from tests.faults import faulttable

        terminalreporter.write_sep("=", "fault table")
        for line in faulttable.render(faulttable.results_of(reports)):
            terminalreporter.write_line(line)
