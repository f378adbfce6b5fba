"""Every action that a plan can name, each in a scenario to be carried out, killed, resumed and aborted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ceremonykit as kit
import msgspec
from ceremonykit import Stage
from livingkit import agreed

from appliance.ledger.actions import (
    Action,
    Activate,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    DomainSpec,
    Drill,
    EnrollBackup,
    EnrollClone,
    FormatSpec,
    Generate,
    Ratify,
    RemoveBackup,
    RemoveClone,
    Restore,
    Restrict,
    Resume,
    Retire,
    Suspend,
    UpdateClone,
)
from appliance.ledger.policy import KeyRules
from appliance.ledger.roster import Threshold
from appliance.numbers.formats import BASE36


@dataclass(frozen=True)
class Scenario:
    """``actions`` in the state of `livingkit.living`, or of `livingkit.guarded`, where a few keys save time.

    ``cloned``: in that of `livingkit.cloned`. ``every``: a run is killed at every so many of its steps only; what a
    clone gets takes the same steps as a restore, of which every one is met. ``label``: the appliance token's
    afterwards; ``touches``: the tokens on which something changes on the way.
    """

    name: str
    actions: Callable[[Stage], tuple[Action, ...]]
    label: str = kit.APPLIANCE
    guarded: bool = False
    cloned: bool = False
    every: int = 1
    touches: tuple[str, ...] = ()

    def command(self, stage: Stage) -> list[str]:
        """Draft and approve; the command that carries it out."""
        return agreed(stage, *self.actions(stage))


def _generation(kind: type[Action], text: str) -> Callable[[Stage], tuple[Action, ...]]:
    return lambda stage: (kind(generation=text),)  # type: ignore[call-arg]


def _roster(stage: Stage) -> tuple[Action, ...]:
    roster = stage.state().roster
    thresholds = {**roster.thresholds, "emergency": Threshold(officers=2, oversight=1)}
    return (ChangeRoster(roster=msgspec.structs.replace(roster, thresholds=thresholds)),)


def _policy(stage: Stage) -> tuple[Action, ...]:
    rules = KeyRules(backups=1, cryptoperiod_days={"spin": 730})
    return (ChangePolicy(policy=msgspec.structs.replace(stage.state().policy, keys=rules)),)


def _sector(stage: Stage) -> tuple[Action, ...]:
    form = FormatSpec(alphabet=BASE36, length=12, check="none")
    domain = DomainSpec(name="sspin.G", title="医療 (health)", parent="spin", format=form)
    first = Generate(generation="sspin.G.1", parent="spin.1", backups=(stage.serials["backup-1"],))
    return (AddDomain(domain=domain), first, Activate(generation="sspin.G.1"))


def _generate(stage: Stage) -> tuple[Action, ...]:
    backed_up = Generate(generation="sspin.E.2", parent="spin.1", backups=(stage.serials["backup-1"],))
    return (backed_up, Generate(generation="sspin.F.1", parent="spin.1"))


def _destroy_and_generate(stage: Stage) -> tuple[Action, ...]:
    return (Destroy(generation="sspin.B.1"), Generate(generation="sspin.B.3", parent="spin.1"))


def _enroll(stage: Stage) -> tuple[Action, ...]:
    serials = stage.serials
    return (EnrollBackup(token_label="backup-2", token_serial=serials["backup-2"], copy_from=serials["backup-1"]),)


def _remove(lost: bool) -> Callable[[Stage], tuple[Action, ...]]:
    return lambda stage: (RemoveBackup(token_serial=stage.serials["backup-1"], lost=lost),)


def _restore(stage: Stage) -> tuple[Action, ...]:
    serials = stage.serials
    spare, source = serials["spare"], serials["backup-1"]
    return (Restore(token_label="spare", token_serial=spare, source=source, lost=("log.1",)),)


def _service(stage: Stage) -> tuple[Action, ...]:
    backups = (stage.serials["backup-1"],)
    made = Generate(generation="log.2", parent=None), Generate(generation="tag.2", parent=None, backups=backups)
    return (*made, Activate(generation="log.2"), Activate(generation="tag.2"))


def _end_of_service(stage: Stage) -> tuple[Action, ...]:
    """The present log key and tag key go; whoever has no others must not do that, but nothing forbids it."""
    names = ("log.1", "tag.1")
    kinds: tuple[type[Action], ...] = (Suspend, Retire, Destroy)
    return tuple(kind(generation=name) for kind in kinds for name in names)  # type: ignore[call-arg]


def _drill(stage: Stage) -> tuple[Action, ...]:
    serials = stage.serials
    return (Drill(token_label="scratch", token_serial=serials["scratch"], source=serials["backup-1"]),)


def _enroll_clone(stage: Stage) -> tuple[Action, ...]:
    spare, source = stage.serials["spare"], stage.serials["backup-1"]
    return (EnrollClone(token_label="spare", token_serial=spare, source=source, log_name="osaka"),)


def _update_clone(stage: Stage) -> tuple[Action, ...]:
    return (UpdateClone(token_serial=stage.serials["spare"], source=stage.serials["backup-1"]),)


def _remove_clone(lost: bool) -> Callable[[Stage], tuple[Action, ...]]:
    return lambda stage: (RemoveClone(token_serial=stage.serials["spare"], lost=lost),)


def _destroy_on_a_clone(stage: Stage) -> tuple[Action, ...]:
    return tuple(kind(generation="sspin.B.1") for kind in (Suspend, Retire, Destroy))


SCENARIOS = (
    Scenario("generate", _generate, touches=(kit.APPLIANCE, "backup-1")),
    Scenario("activate", _generation(Activate, "sspin.E.1")),
    Scenario("restrict", _generation(Restrict, "sspin.C.1")),
    Scenario("suspend", _generation(Suspend, "sspin.A.1")),
    Scenario("ratify", _generation(Ratify, "sspin.D.1")),
    Scenario("resume", _generation(Resume, "sspin.D.1")),
    Scenario("retire", _generation(Retire, "sspin.D.1")),
    Scenario("destroy", _generation(Destroy, "sspin.B.1")),
    Scenario("destroy and generate", _destroy_and_generate),
    Scenario("generate log and tag", _service, guarded=True, touches=(kit.APPLIANCE, "backup-1")),
    Scenario("destroy log and tag", _end_of_service, guarded=True),
    Scenario("change-roster", _roster),
    Scenario("change-policy", _policy),
    Scenario("add-domain", _sector, touches=(kit.APPLIANCE, "backup-1")),
    Scenario("enroll-backup", _enroll, guarded=True, touches=(kit.APPLIANCE, "backup-1", "backup-2")),
    Scenario("remove-backup", _remove(lost=False), guarded=True),
    Scenario("remove-backup, lost", _remove(lost=True), guarded=True),
    Scenario("restore", _restore, "spare", guarded=True, touches=("backup-1", "spare")),
    Scenario("drill", _drill, guarded=True, touches=("backup-1", "scratch")),
    Scenario("enroll-clone", _enroll_clone, guarded=True, every=4, touches=("backup-1", "spare")),
    Scenario("update-clone", _update_clone, cloned=True, every=6, touches=("backup-1", "spare")),
    Scenario("remove-clone", _remove_clone(lost=False), cloned=True, every=3),
    Scenario("remove-clone, lost", _remove_clone(lost=True), cloned=True, every=2),
    Scenario("destroy, with a clone", _destroy_on_a_clone, cloned=True, every=4),
)
