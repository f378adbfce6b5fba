"""``keyceremony plan roster``, ``policy`` and ``sector``: drafting changes of people, rules and domains."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.ledger.actions import ChangePolicy, ChangeRoster
from keyceremony import screen
from keyceremony.commands.drafts import Draft, drafting_options, example, untitled_options
from keyceremony.commands.options import PATH
from keyceremony.errors import UsageProblem
from keyceremony.plans import changes, new_roster, policy_file
from keyceremony.plans.new_roster import Edits


@click.command(
    "roster",
    epilog=example("keyceremony plan roster --remove officer-3 --add officer-4.json --replace oversight-1.json"),
)
@click.argument("roster", type=PATH, required=False)
@click.option("--remove", multiple=True, metavar="ID", help="Somebody leaves; may be repeated.")
@click.option(
    "--replace", type=PATH, multiple=True, metavar="CARD", help="A new card (certificate) of somebody; may be repeated."
)
@click.option("--add", type=PATH, multiple=True, metavar="CARD", help="Somebody joins; may be repeated.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="CLASS=N+M",
    help="N officers and M oversight members for a class of actions: keys, emergency, destroy, roster, policy, tokens.",
)
@drafting_options
def roster(
    roster: Path | None,
    remove: tuple[str, ...],
    replace: tuple[Path, ...],
    add: tuple[Path, ...],
    thresholds: tuple[str, ...],
    draft: Draft,
) -> None:
    """Draft a change of the people who decide, or of how many of them it takes.

    Either name the edits; everybody else, and every other threshold, stays. Or give ROSTER, a TOML file with the whole
    new roster: participants = ["officer-1.json", …], and [thresholds.keys] with officers and oversight; thresholds it
    leaves out stay. The quorum of the present roster and that of the new one must both approve: somebody whose
    certificate is renewed can approve with the old key for the one, and with the new key for the other.
    """
    edits = Edits(remove, replace, add, thresholds)
    if (roster is None) == (not edits.any):
        raise UsageProblem("give either a ROSTER file, or edits", "--remove, --replace, --add or --threshold")
    state = draft.state()
    present = state.roster
    wanted = new_roster.from_file(roster, present) if roster else new_roster.edited(present, edits)
    draft.write(state, "Change of the roster", ChangeRoster(roster=wanted))


@click.command("policy", epilog=example("keyceremony plan policy policy.toml --title 'The hub may re-key sector C'"))
@click.argument("policy", type=PATH)
@drafting_options
def policy(policy: Path, draft: Draft) -> None:
    """Draft another policy: who may do what, under whose eyes, and how keys are kept.

    POLICY is a TOML file. [policy.ROLE] tables are the whole of who may do what: pairs, among, purposes,
    values_per_request, values_per_stream, values_per_minute, values_per_day, purpose_values_per_day,
    values_without_order, history, log; a role that is not there may nothing. Without any, that stays as it is.
    [keys] (backups, cryptoperiod_days, drill_days, ratify_days) and [disclosure] (oversight, officers, longest_days)
    keep what they leave out; [log] (witnesses, warn_seconds, refuse_seconds) is the whole of it, where it stands.
    docs/ceremony-changes.md says what each means.
    """
    state = draft.state()
    wanted = policy_file.changed(state.policy, policy_file.load(policy), state.domains)
    draft.write(state, "Change of the policy", ChangePolicy(policy=wanted))


@click.command("sector", epilog=example("keyceremony plan sector sspin.G --title '医療 (health care)'"))
@click.argument("name")
@click.option("--title", required=True, metavar="TEXT", help="What the sector is, for people: '医療 (health)' say.")
@click.option("--parent", default="spin", show_default=True, metavar="DOMAIN", help="The domain it stands under.")
@click.option("--alphabet", metavar="A", help="decimal, base36, or the characters; default: as its siblings.")
@click.option("--length", type=click.IntRange(2, 128), metavar="N", help="Digits; default: as its siblings.")
@click.option("--check", metavar="RULE", help="Rule of the check digit; default: as its siblings.")
@untitled_options
def sector(
    name: str,
    title: str,
    parent: str,
    alphabet: str | None,
    length: int | None,
    check: str | None,
    draft: Draft,
) -> None:
    """Draft one sector more. NAME is that of its domain, sspin.G say.

    It is of use once it has a key (plan keys) and a place in the policy (plan policy); both come after it.
    """
    state = draft.state()
    action = changes.sector(state, name, title=title, parent=parent, alphabet=alphabet, length=length, check=check)
    draft.write(state, f"Add {name}: {title}", action)
    console = screen.console()
    screen.line(console, f"Then: keyceremony plan keys 'generate {name}' 'activate {name}.1' --title 'Key of {name}'")
    screen.line(console, f"      keyceremony plan policy POLICY.toml, with {name} in the pairs of a role")
