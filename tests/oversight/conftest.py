"""What oversight's tests share: a log of a thousand records, a daemon that serves it, and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from logkit import Log, thousand
from runkit import Ran, Run
from serverkit import LogServer

from appliance import commandline, hardening
from appliance.oversight.cli import oversight


@pytest.fixture
def log() -> Log:
    """A log of 1,000 records."""
    return thousand()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("verify", folder, "--anchor", hex)``: an oversight command in this process."""
    monkeypatch.setattr(hardening, "forbid_reading", lambda: None)  # other tests read this process

    def ran(*words: object) -> Ran:
        capsys.readouterr()
        code = commandline.run(oversight, "appliance oversight", [str(word) for word in words])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return ran


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], LogServer]]:
    """``serve(folder)``: a daemon that serves a copy, ending with the test."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(LogServer(tmp_path_factory.mktemp("s") / "o.sock", folder))
