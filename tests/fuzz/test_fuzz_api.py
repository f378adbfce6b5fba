"""schemathesis: the OpenAPI document against a running daemon, on the sockets of five roles; the suite's share of it.

Deep runs: ``python -m tests.fuzz --examples 0 --requests 1000``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz import apidocument
from tests.fuzz.api import OFF
from tests.fuzz.apiworld import ASKED, Asked, served

EXAMPLES = 6
SEED = 20260401
REACHED = {
    "hub json": {
        "convert": {200, 400, 403, 405, 415},
        "domains": {200},
        "status": {200},
        "ready": {200},
        "health": {200},
    },
    "hub stream": {"convert": {200, 400, 403, 405, 415}},
    "portal": {"history": {200, 400, 405, 415}, "mark": {200, 400, 404, 405, 415}},
    "oversight": {"cosign": {200, 400}, "tile2": {404}, "tile3": {200}, "ledgerFile": {200}, "checkpoint": {200}},
}
"""What each run must have come to, so that it did not only look at refusals; the deep runs ask more roles."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with served(tmp_path_factory.mktemp("fuzz") / "world") as found:
        yield found
        assert found.defects() == []
        assert found.daemon.stop() == 0, found.daemon.log


@pytest.mark.parametrize("what", REACHED)
def test_every_answer_is_as_documented(asked: Asked, what: str) -> None:
    outcome = asked.ask(what, examples=EXAMPLES, seed=SEED)
    assert not outcome.failures and not outcome.errors, outcome.told()
    for operation, statuses in REACHED[what].items():
        assert statuses <= outcome.statuses(operation), (operation, outcome.answers)
    assert len(outcome.checks) == 9 and not set(outcome.checks) & set(OFF), outcome.checks


def test_every_operation_of_the_document_is_asked() -> None:
    named = {name.partition(":")[0] for _, *names in ASKED.values() for name in names}
    there = {one["operationId"] for methods in apidocument.DOCUMENT["paths"].values() for one in methods.values()}
    assert named == there
