"""The OpenAPI document as one role is asked by it, with what is real in a world offered beside everything else.

Two things that OpenAPI cannot say are said here by making several documents of the one: that a conversion has two forms
that do not mix, and that a tile's name has slashes in it. Real names, numbers and files are a ``format`` each.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import schemathesis
import yaml
from hypothesis import strategies as st

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml").read_text("utf-8")
)
COMMON = ("domains", "status", "health", "ready")
LOG = ("checkpoint", "cosigned", "tile", "ledger", "ledgerFile", "cosign")


@dataclass(frozen=True)
class Samples:
    """What is real in a world, by what it is; each becomes a ``format`` of the document."""

    sources: Sequence[str]
    targets: Sequence[str]
    purposes: Sequence[str]
    numbers: Sequence[str]
    notes: Sequence[str]
    orders: Sequence[str]
    files: Sequence[str] = ("000001.authorization.cms", "000001.outcome.cms", "000009.outcome.cms")
    levels: Sequence[str] = ("0", "entries")
    tiles: Sequence[str] = ("000", "001")
    widths: Sequence[str] = ("1", "2", "3", "255", "256")


def register(samples: Samples) -> None:
    """Let schemathesis know the formats: what is real, and at times any text, or one at the edge of a length.

    Without the edges it would look long, and mostly in vain, for a text of a format that is just so long.
    """
    edges = [st.text("x事", min_size=size, max_size=size) for size in (1, 63, 64, 65, 127, 128, 129)]
    for name, real in vars(samples).items():
        found = st.sampled_from(list(real))
        schemathesis.openapi.format(f"sample-{name}", st.one_of([found] * 10 + [st.text(max_size=64), *edges]))
    printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=128)
    schemathesis.openapi.format("sample-references", st.one_of([printable] * 5 + edges))


def of_operations(*operations: str) -> dict[str, Any]:
    """The document with these operations only; ``convert:json`` and ``convert:stream`` are the two forms of one."""
    made = copy.deepcopy(DOCUMENT)
    forms = [name.partition(":")[2] for name in operations if name.startswith("convert:")]
    wanted = {name.partition(":")[0] for name in operations}
    found = {
        path: {method: one for method, one in methods.items() if one["operationId"] in wanted}
        for path, methods in made["paths"].items()
    }
    made["paths"] = {path: methods for path, methods in found.items() if methods}
    if forms:
        _keep_form(made["paths"]["/v1/convert"]["post"], forms[0])
    if "tile" in wanted:
        _split_tiles(made["paths"])
    _name_formats(made)
    return made


def _keep_form(convert: dict[str, Any], form: str) -> None:
    """One form of a conversion: what the description says of it, in parameters and bodies."""
    content = convert["requestBody"]["content"]
    if form == "json":
        convert["parameters"] = [one for one in convert["parameters"] if "$ref" in one]
        del content["text/plain"]
    else:
        convert["parameters"] = [
            {**one, "required": one["in"] == "query"} for one in convert["parameters"] if "in" in one
        ]
        del content["application/json"]


def _split_tiles(paths: dict[str, Any]) -> None:
    whole = paths.pop("/v1/log/tile/{tile}")["get"]
    names = {"level": "levels", "index": "tiles", "width": "widths"}
    for path, used in (("{level}/{index}", 2), ("{level}/{index}.p/{width}", 3)):
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": f"sample-{kind}"}}
            for name, kind in list(names.items())[:used]
        ]
        operation = {**copy.deepcopy(whole), "operationId": f"tile{used}", "parameters": parameters}
        paths[f"/v1/log/tile/{path}"] = {"get": operation}


def _name_formats(made: dict[str, Any]) -> None:
    schemas = made["components"]["schemas"]
    schemas["Purpose"]["format"] = "sample-purposes"
    schemas["Reference"]["format"] = "sample-references"
    schemas["Order"]["format"] = "sample-orders"
    question, history = schemas["Question"]["properties"], schemas["HistoryQuestion"]["properties"]
    for name in ("source", "target"):
        question[name] = {**schemas["Name"], "format": f"sample-{name}s"}
    mark = schemas["MarkQuestion"]["properties"]
    mark["record"]["examples"] = list(range(4, 10))  # those of the first conversions of a world are among them
    history["source"] = mark["source"] = question["source"]
    for number in (question["numbers"]["items"], history["number"], mark["number"]):
        number["format"] = "sample-numbers"
    paths = made["paths"]
    for parameter in paths.get("/v1/convert", {}).get("post", {}).get("parameters", []):
        if parameter.get("name") in ("source", "target"):
            parameter["schema"] = question[parameter["name"]]
    if cosign := paths.get("/v1/log/cosignatures"):
        cosign["post"]["requestBody"]["content"]["text/plain"]["schema"]["format"] = "sample-notes"
    if file := paths.get("/v1/log/ledger/{name}"):
        file["get"]["parameters"][0]["schema"]["format"] = "sample-files"
