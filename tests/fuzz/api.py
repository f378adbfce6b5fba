"""The OpenAPI document against a running daemon: what schemathesis asks, and which checks every answer must pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

OFF = {
    "ignored_auth": "nothing in the document asks for credentials: who may open a socket may ask",
    "object_level_authorization": "likewise",
    "use_after_free": "nothing can be removed over this interface",
    "ensure_resource_availability": "nothing is made over this interface that has an address of its own",
    "missing_required_header": "no header is required",
}
"""Checks that have nothing to look at here, each with the reason."""

_EXPECTED = {
    # A deadline of a millisecond that passes is an answer as documented; so is a token that is away. 500 never is.
    "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503", "504"]},
    # A body that breaks a rule may be refused for its size before anybody reads it.
    "negative_data_rejection": {"expected-statuses": ["400", "403", "404", "405", "409", "413", "415", "429", "5xx"]},
    # A text that is no signed note, and a number that is nobody's form, are strings as far as the document can say.
    "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "403", "404", "409", "410", "429", "503", "504"]},
}


@dataclass
class Outcome:
    """What a run did: requests by operation and status, checks made, and every check that failed, told once."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many were answered."""
        return sum(self.answers.values())

    def statuses(self, operation: str) -> set[int]:
        """The statuses that an operation has answered with."""
        return {status for name, status in self.answers if name == operation}

    def told(self) -> str:
        """Failures and errors, for a person."""
        return "\n\n".join([*self.failures.values(), *self.errors])


def run(url: str, document: dict[str, Any], *, examples: int, seed: int, strict: Sequence[str] = ()) -> Outcome:
    """Ask everything that the document describes, and check every answer.

    Args:
        url: where the daemon is reached.
        document: OpenAPI.
        examples: random requests of each operation, beside the systematic ones.
        seed: what the random ones follow from.
        strict: operations whose valid requests must not be refused with 400.
    """
    schema = schemathesis.openapi.from_dict(document, config=_configuration(url, examples, seed, strict))
    outcome = Outcome()
    for event in from_schema(schema).execute():
        _take(outcome, event)
    return outcome


def _configuration(url: str, examples: int, seed: int, strict: Sequence[str]) -> SchemathesisConfig:
    accepted = [status for status in _EXPECTED["positive_data_acceptance"]["expected-statuses"] if status != "400"]
    narrow = {"positive_data_acceptance": {"expected-statuses": accepted}}
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": url,
            "request-timeout": 60,
            "continue-on-failure": True,
            "checks": {**_EXPECTED, **{name: {"enabled": False} for name in OFF}},
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "operations": [{"include-operation-id": name, "checks": narrow} for name in strict],
        }
    )


def _take(outcome: Outcome, event: events.EngineEvent) -> None:
    match event:
        case events.ScenarioFinished():
            _take_scenario(outcome, event)
        case events.NonFatalError():
            outcome.errors.append(f"{event.label}: {event.info.format()}")
        case events.FatalError():
            outcome.errors.append(repr(event.exception))
        case _:
            pass


def _take_scenario(outcome: Outcome, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    for case_id, interaction in recorder.interactions.items():
        operation = recorder.cases[case_id].value.operation.definition.raw.get("operationId", recorder.label)
        if interaction.response is None:
            outcome.errors.append(f"{operation}: no answer to {interaction.request.method} {interaction.request.uri}")
        else:
            outcome.answers[operation, interaction.response.status_code] += 1
    for check in (one for checks in recorder.checks.values() for one in checks):
        outcome.checks[check.name] += 1
        if check.failure_info is not None:
            failure = check.failure_info.failure
            key = f"{recorder.label} {check.name} {failure.title} {failure.message[:120]}"
            outcome.failures.setdefault(
                key, f"{recorder.label}: {check.name}: {failure}\n{check.failure_info.code_sample}"
            )
