"""Do this engine's conversions still come out right? Known codes to every current generation and back, compared.

Nobody's number goes in or out: the codes are fixed, and that they came back is all that is told. So it needs no record
and is no way round the policy, whoever asks for it how often.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from appliance.engine.converter import FEW_LINES, Converter
from appliance.engine.routes import GenerationUnusable
from appliance.errors import KagimoriError
from appliance.ledger.fold import LedgerState
from appliance.numbers.domains import Generation

FIRST = 1_234_567_890  # as a resident code 01234567890, the sample in the scheme's own figures
SIZES = (1, FEW_LINES + 1)  # number by number, and in columns


class SelfTestFailed(KagimoriError):
    """A known number did not come back as itself: nothing that this engine says can be believed."""

    exit_code: ClassVar[int] = 5


def run(state: LedgerState, converter: Converter) -> None:
    """Convert down to every current generation and up again.

    Raises:
        SelfTestFailed: naming the generation (never a number).
        TokenError: the token does not work.
    """
    root = state.tree.root.format
    for size in SIZES:
        codes = "".join(f"{root.render((FIRST + number) % root.size)}\n" for number in range(size)).encode()
        for generation in _current(state):
            if not _comes_back(converter, generation, codes):
                raise SelfTestFailed(
                    f"self-test: known numbers did not come back from {generation}",
                    "the token or its module answers wrongly: take it out of service and find out why",
                )


def _current(state: LedgerState) -> Iterator[Generation]:
    return (state.current[name] for name in sorted(state.current) if name in state.tree)


def _comes_back(converter: Converter, generation: Generation, codes: bytes) -> bool:
    """True for one that nobody can convert to now, too, since a key above it is suspended."""
    try:
        down = converter.convert_lines(None, generation, codes)
        return down.text != codes and converter.convert_lines(generation, None, down.text).text == codes
    except GenerationUnusable:
        return True
