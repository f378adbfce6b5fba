"""The OpenAPI document, the code and what a daemon really answers agree."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from openapi_spec_validator import validate

from appliance.daemon.app import CONVERT, GET_PATHS, HISTORY, MARK
from appliance.daemon.logview import COSIGNATURES, PREFIX
from appliance.daemon.problems import KINDS, NUMBER_CODES, TYPE_PREFIX, Problem
from appliance.engine.frames import ERROR_CODES
from tests.daemonkit import JSON, Daemon

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml").read_text("utf-8")
)
COMPONENTS = DOCUMENT["components"]


def check(name: str, body: bytes) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": COMPONENTS}
    jsonschema.Draft202012Validator(schema).validate(json.loads(body))


def responses() -> list[tuple[str, int, str]]:
    """Every (path, status, text of the response's description)."""
    found = []
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                name = response.get("$ref", "").rpartition("/")[2]
                found.append((path, int(status), (COMPONENTS["responses"][name] if name else response)["description"]))
    return found


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_paths_and_methods_are_those_of_the_code() -> None:
    documented = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    log = {PREFIX + name for name in ("checkpoint", "cosigned", "tile/{tile}", "ledger", "ledger/{name}")}
    asked = {(CONVERT, "post"), (HISTORY, "post"), (MARK, "post"), (PREFIX + COSIGNATURES, "post")}
    assert documented == asked | {(path, "get") for path in (*GET_PATHS, *log)}


def test_problem_codes_are_those_of_the_code() -> None:
    assert COMPONENTS["schemas"]["ProblemCode"]["enum"] == list(KINDS)
    assert set(COMPONENTS["schemas"]["NumberCode"]["enum"]) == set(NUMBER_CODES)
    assert set(KINDS) >= ERROR_CODES


@pytest.mark.parametrize("code", KINDS)
def test_every_code_is_described_under_its_status(code: str) -> None:
    described = {status for _, status, text in responses() if re.search(rf"`{code}`", text)}
    assert described == {KINDS[code].status}


@pytest.mark.parametrize("code", KINDS)
def test_every_problem_is_a_problem_document(code: str) -> None:
    problem = Problem(code)
    check("Problem", problem.body())
    said = json.loads(problem.body())
    assert said["type"] == TYPE_PREFIX + code
    assert (problem.status in (429, 503)) == ("Retry-After" in problem.headers)


def test_a_code_that_is_not_listed_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        Problem("made_up")


def test_real_answers_are_as_documented(served: Daemon) -> None:
    check("Answer", served.convert("sspin.A", "sspin.B", ["ABC98765XYZ", "?"]).body)
    for role in ("hub", "numbering", "narrow", "portal"):
        check("Domains", served.ask(role, "GET", "/v1/domains").body)
    check("Status", served.ask("hub", "GET", "/v1/status").body)
    check("Readiness", served.ask("hub", "GET", "/readyz").body)
    for reply in (
        served.convert("sspin.A", "resident", ["x"]),
        served.ask("hub", "POST", CONVERT, b"{}", JSON),
        served.ask("hub", "GET", "/nowhere"),
        served.ask("hub", "PUT", CONVERT),
    ):
        assert reply.headers["content-type"] == "application/problem+json"
        check("Problem", reply.body)


def test_the_root_may_be_shown(served: Daemon) -> None:
    said = served.ask("numbering", "GET", "/v1/domains")
    check("Domains", said.body)
    root = next(domain for domain in said.json["domains"] if domain["name"] == "resident")
    assert (root["current"], root["generations"]) == (None, [])
