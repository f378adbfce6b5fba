"""What is fuzzed: a parser, where its input comes from, and what must hold of every input."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appliance.errors import KagimoriError

T = TypeVar("T")
MOST_SECONDS = 5.0  # of processor time, for one input; a person would call it a hang

Refusals = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class Target:
    """``inputs`` is made when it is needed, since originals cost keys and signatures.

    ``probe`` takes one input and says whether it was accepted; whatever it raises is a finding.
    """

    name: str
    inputs: Callable[[], st.SearchStrategy[Any]]
    probe: Callable[[Any], bool]


@dataclass
class Ran:
    """What a run of one target did."""

    examples: int = 0
    accepted: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    finding: str | None = None
    error: BaseException | None = field(default=None, repr=False)
    input: Any = field(default=None, repr=False)


def parsed(data: T, parse: Callable[[T], Any], refusals: Refusals, render: Callable[[Any], T] | None = None) -> bool:
    """Whether the data were accepted.

    Refused with anything but ``refusals`` is a finding, as is a value that is not rendered as the same data again.
    """
    try:
        value = parse(data)
    except refusals as error:
        require_readable(error)
        return False
    if render is not None:
        again = render(value)
        assert again == data, f"accepted, but it is another spelling of {again!r}"
    return True


def require_readable(error: Exception) -> None:
    """A refusal that a person sees says something, on one line of its own choosing."""
    if isinstance(error, KagimoriError):
        assert error.message.strip(), "a refusal without a word"
        assert "Traceback" not in error.message
        assert error.hint is None or error.hint.strip()


def run(target: Target, examples: int, seed: int) -> Ran:
    """Probe so many inputs; the first finding ends the run, made small."""
    ran = Ran()

    @hypothesis.seed(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
        report_multiple_bugs=False,
    )
    @given(target.inputs())
    def probe(data: Any) -> None:
        ran.input = data
        begin = time.thread_time()
        accepted = target.probe(data)
        took = time.thread_time() - begin
        ran.examples += 1
        ran.accepted += accepted
        ran.slowest = max(ran.slowest, took)
        assert took < MOST_SECONDS, f"took {took:.1f} s"

    begin = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a library that warns of input has read something it should have refused
            probe()
    except Exception as error:
        ran.error = error
        ran.finding = f"{type(error).__name__}: {error}\nwith the input {ran.input!r}"
    ran.seconds = time.monotonic() - begin
    return ran
