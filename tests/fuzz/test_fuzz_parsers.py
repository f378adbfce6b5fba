"""Whatever a parser is given, it refuses with its own error or accepts the one spelling; the suite's share.

Deep runs: ``python -m tests.fuzz --examples 20000``.
"""

from __future__ import annotations

import pytest

from tests.fuzz.everything import TARGETS
from tests.fuzz.target import Target, run

EXAMPLES = 30
SEED = 20260401


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_but_refusals_and_the_one_spelling(target: Target) -> None:
    ran = run(target, EXAMPLES, SEED)
    if not ran.accepted:  # few inputs are, of some
        ran = run(target, 20 * EXAMPLES, SEED)
    assert ran.finding is None, ran.finding
    assert ran.examples >= EXAMPLES
    assert ran.accepted, "no input was good enough to be accepted: the originals are not what they should be"


def test_a_finding_is_told_with_its_input() -> None:
    """The runner itself: an error that is no refusal, and a spelling that is not the one, end a run."""
    from hypothesis import strategies as st

    from tests.fuzz.target import parsed

    crash = Target("crash", lambda: st.binary(min_size=1), lambda data: parsed(data, lambda one: one[7], ValueError))
    ran = run(crash, 50, SEED)
    assert ran.finding is not None and ran.finding.startswith("IndexError") and "with the input b" in ran.finding
    loose = Target("loose", lambda: st.text("aA"), lambda text: parsed(text, str.lower, ValueError, str))
    ran = run(loose, 50, SEED)
    assert ran.finding is not None and "another spelling of 'a'" in ran.finding
