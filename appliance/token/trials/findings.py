"""What a trial can come to: the token passes, lacks something, or does otherwise than it must."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from pkcs11 import PKCS11Error
from pkcs11 import exceptions as p11

from appliance.errors import KagimoriError
from appliance.token.errors import (
    PinLocked,
    PinNeeded,
    PinWrong,
    TokenModuleError,
    TokenNotFound,
    code_name,
)


class Result(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    MISSING = "missing"  # the token has nothing of the kind
    DIFFERS = "differs"  # it has, and it does otherwise
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Finding:
    """A result, what was seen, and figures by name (microseconds, counts)."""

    result: Result
    evidence: str
    figures: dict[str, float] = field(default_factory=dict)


class Missing(Exception):
    """The token has nothing of the kind; the text is the evidence."""


class Differs(Exception):
    """The token does otherwise than it must; the text is the evidence."""


class NotTried(Exception):
    """It could not be tried; the text says why."""


Measured = tuple[str, dict[str, float]]
_ABSENT = (p11.MechanismInvalid, p11.FunctionNotSupported, p11.AttributeTypeInvalid)
_NAMED = re.compile(r"key [0-9a-f]{32} on token .*? \(serial .*?\)")  # random, so of no interest to a reader
_FATAL = (TokenModuleError, TokenNotFound, PinLocked, PinNeeded, PinWrong)


def finding(trial: Callable[[], str | Measured]) -> Finding:
    """What a trial comes to: it returns its evidence if the token passes, and raises otherwise.

    Raises:
        TokenModuleError, TokenNotFound, PinLocked, PinNeeded, PinWrong: nothing more can be tried.
    """
    try:
        answer = trial()
    except Missing as error:
        return Finding(Result.MISSING, str(error))
    except Differs as error:
        return Finding(Result.DIFFERS, str(error))
    except NotTried as error:
        return Finding(Result.NOT_TRIED, str(error))
    except InvalidSignature:
        return Finding(Result.DIFFERS, "a signature that was made does not verify")
    except _FATAL:
        raise
    except (PKCS11Error, KagimoriError) as error:
        return _refused(error)
    evidence, figures = answer if isinstance(answer, tuple) else (answer, {})
    return Finding(Result.PASSED, evidence, figures)


def _refused(error: PKCS11Error | KagimoriError) -> Finding:
    """A refusal that no trial expected; `appliance.token.errors.asking` chains what the module said."""
    cause = error.__cause__ if isinstance(error, KagimoriError) else error
    text = error.message if isinstance(error, KagimoriError) else f"the token answered {code_name(error)}"
    text = _NAMED.sub("a scratch key", text)
    return Finding(Result.MISSING if isinstance(cause, _ABSENT) else Result.DIFFERS, text)


@contextmanager
def refused(what: str, *wanted: type[PKCS11Error]) -> Iterator[list[str]]:
    """The token must refuse what is done inside; the code's name is put into the list that is given.

    Raises:
        Differs: it did not, or with another code than one of ``wanted`` (none given: any will do).
    """
    seen: list[str] = []
    try:
        yield seen
    except PKCS11Error as error:
        seen.append(code_name(error))
        if wanted and not isinstance(error, wanted):
            names = " or ".join(code_name(kind()) for kind in wanted)
            raise Differs(f"{what}: refused with {seen[0]}, not {names}") from None
    else:
        raise Differs(f"{what}: not refused")
