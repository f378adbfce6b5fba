"""``appliance portal check``: the proofs in a file that the portal gave, checked without portal and appliance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from appliance.commandline import FAILED, visible
from appliance.hubkit.history import History
from appliance.portal import document
from appliance.portal.proof import Standing, Trust, judge
from appliance.tlog import cosignature
from appliance.tlog.errors import TlogError
from appliance.tlog.note import VerifierKey

K = TypeVar("K")
_WORDS = {
    Standing.COSIGNED: "proven, co-signed",
    Standing.PENDING: "proven, not yet co-signed",
    Standing.UNPROVEN: "NOT PROVEN",
}


@click.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--log-key", "log_keys", multiple=True, required=True, help="A verifier key of the log; may be repeated.")
@click.option("--witness", "witnesses", multiple=True, required=True, help="A witness's verifier key; may be repeated.")
def command(file: Path, log_keys: tuple[str, ...], witnesses: tuple[str, ...]) -> int:
    """Check the proofs in FILE (a record's proof, or a whole history) against keys that you have from elsewhere.

    The oversight body publishes the keys. Nothing is connected to. The exit code is 0 if every record is proven and
    co-signed, else 1.
    """
    trust = _trust(log_keys, witnesses)
    found = [_check(history, trust) for history in document.read(file)]
    standings = [one for part in found for one in part]
    told = ", ".join(f"{standings.count(one)} {words}" for one, words in _WORDS.items() if one in standings)
    click.echo(told or "no record in it")
    return 0 if standings and set(standings) == {Standing.COSIGNED} else FAILED


def _trust(log_keys: tuple[str, ...], witnesses: tuple[str, ...]) -> Trust:
    names = {key.name for key in _each("--log-key", log_keys, VerifierKey.parse)}
    _each("--witness", witnesses, cosignature.cosigner)
    if len(names) != 1:
        raise click.UsageError("--log-key: the keys must be those of one log")
    return Trust(log_keys, witnesses)


def _each(option: str, keys: tuple[str, ...], parse: Callable[[str], K]) -> list[K]:
    try:
        return [parse(key) for key in keys]
    except TlogError as error:
        raise click.UsageError(f"{option}: {error.message}") from None


def _check(history: History, trust: Trust) -> list[Standing]:
    judged = judge(history, trust)
    if not judged.sound:
        click.echo("the tree that these records are said to be in is NOT signed as it must be", err=True)
    else:
        click.echo(f"log       {visible(judged.history.checkpoint.splitlines()[0])}, {history.size} records")
    if judged.cosigned is not None:
        size, by = judged.cosigned.checkpoint.size, ", ".join(map(visible, judged.cosigned.by))
        click.echo(f"co-signed {size} records by {by}")
    for one in history.conversions:
        terms = f"{one.time} {one.role} {one.source} → {one.target} {one.purpose} {one.reference}"
        click.echo(f"record {one.record}: {_WORDS[judged.standing(one)]}: {visible(terms)}")
    return [judged.standing(one) for one in history.conversions]
