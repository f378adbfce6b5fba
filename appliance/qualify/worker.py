"""The process that talks to the token: one job, told as lines of JSON; a module that crashes ends this process alone.

Started as ``python -m appliance.qualify.worker``; the job, with the PINs, comes as one line of JSON on standard input,
so that no PIN is an argument. What is told: ``{"begin": id}`` and ``{"end": id, …}`` for each check, ``{"token": …}``
and ``{"objects": …}`` for a look, ``{"refused": …}`` if nothing can be tried at all.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import IO, Any

from appliance.errors import KagimoriError
from appliance.qualify import conversions
from appliance.token.objects import ObjectFacts
from appliance.token.trials.bench import Bench, Terms, is_scratch
from appliance.token.trials.every import TRIALS
from appliance.token.trials.findings import Finding, Result, finding

__all__ = ["conversions", "main"]  # importing it enters its trials


class Teller:
    """Where the lines go: the standard output as it was, before modules could print to it."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def tell(self, **line: Any) -> None:
        """One line; the reader may be gone, which is for the caller to notice (BrokenPipeError)."""
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def main() -> int:
    """Run; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is the parent's to act on
    teller = Teller(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    try:
        _do(job, teller)
    except BrokenPipeError:  # nobody waits for the rest; what was made has been removed
        return 1
    except KagimoriError as error:
        with suppress(BrokenPipeError):
            teller.tell(refused={"message": error.message, "hint": error.hint})
        return 1
    return 0


def _do(job: dict[str, Any], teller: Teller) -> None:
    terms = Terms(
        Path(job["module"]), job["label"], job["serial"], job.pop("pin"), job.pop("so_pin"), quick=job["quick"]
    )
    with Bench(terms) as bench:
        match job["do"]:
            case "look":
                _look(bench, teller)
            case "sweep":
                bench.sweep()
                bench.close()
                _look(bench, teller)
            case "try":
                _try(bench, job["checks"], teller)


def _look(bench: Bench, teller: Teller) -> None:
    teller.tell(token=_facts(bench))
    teller.tell(objects=[_listed(one) for one in bench.everything()])


def _try(bench: Bench, checks: list[str], teller: Teller) -> None:
    try:
        bench.sweep()  # what a check left that ended a process before this one
        for name in checks:
            teller.tell(begin=name)
            begun = perf_counter()
            found = finding(lambda name=name: TRIALS[name](bench))  # type: ignore[misc]
            teller.tell(end=name, seconds=perf_counter() - begun, **_told(found))
            if found.result is not Result.PASSED:
                bench.close()  # a session that a failed check may have spoilt serves no other check
    finally:
        with suppress(KagimoriError):  # the parent looks once more, and tells what stays
            bench.sweep()


def _told(found: Finding) -> dict[str, Any]:
    return {"result": str(found.result), "evidence": found.evidence, "figures": found.figures}


def _listed(one: ObjectFacts) -> dict[str, Any]:
    return {"id": one.key_id.hex(), "kind": one.kind, "label": one.label, "scratch": is_scratch(one)}


def _facts(bench: Bench) -> dict[str, str]:
    facts, slot = bench.token.facts, bench.session.token.slot
    library = bench.library()
    return {
        "label": facts.label,
        "serial": facts.serial,
        "manufacturer": facts.manufacturer,
        "model": facts.model,
        "firmware": _version(slot.get_token().firmware_version),
        "module": bench.terms.module.name,
        "library": f"{library.library_description.strip()} {_version(library.library_version)}".strip(),
        "cryptoki": _version(library.cryptoki_version),
    }


def _version(pair: tuple[int, int]) -> str:
    return f"{pair[0]}.{pair[1]}"


if __name__ == "__main__":
    sys.exit(main())
