"""Nothing of a rehearsal passes for production: its ledger, its plans, its people's approvals."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lifekit import Life, Replayed, softhsm
from msgspec.structs import replace

from appliance import configuration
from appliance.engine.process import load_ledger
from appliance.ledger import canonical, chain, cms, files, fold, quorum
from appliance.ledger.actions import ChangePolicy
from appliance.ledger.errors import RehearsalMixed, StrangeSigner, WrongAnchor, WrongPrevious
from appliance.ledger.plan import Plan
from appliance.ledger.policy import KeyRules
from keyceremony.rehearsal.people import Troupe
from keyceremony.rehearsal.translate import Parts, translate

CONFIGURATION = """
[token]
module = "{module}"
label = "kagimori"
pin_file = "pin"

[ledger]
directory = "{ledger}"
trust_anchor = "{anchor}"

[state]
directory = "{state}"

[audit]
directory = "{state}"

[[socket]]
role = "hub"
path = "hub.sock"
"""


def _next(life: Life) -> Plan:
    """A policy change that may come next."""
    state = life.state()
    rules = KeyRules(backups=1, drill_days=90)
    action = ChangePolicy(policy=replace(state.policy, keys=rules))
    paper = life.draft(action, title="Drills every three months")
    paper.path.unlink()
    return paper.plan


def test_keyceremony_verify_refuses_a_rehearsals_ledger(life: Life, replayed: Replayed) -> None:
    done = life.run("verify", "--ledger", str(replayed.folder / "ledger"), "--anchor", life.anchor)
    assert done.code == 4
    assert f"the trust anchor is {life.anchor}" in done.err


def test_an_engine_refuses_a_rehearsals_ledger(
    life: Life, replayed: Replayed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("engine")
    file = folder / "kagimori.toml"
    ledger, module = replayed.folder / "ledger", softhsm()["KAGIMORI_SOFTHSM_MODULE"]
    file.write_text(CONFIGURATION.format(module=module, ledger=ledger, anchor=life.anchor, state=folder))
    with pytest.raises(WrongAnchor, match="000001.authorization.cms: genesis is .*; the trust anchor is"):
        load_ledger(configuration.load(file))


def test_a_rehearsals_entry_does_not_go_on_the_real_ledger(life: Life, replayed: Replayed) -> None:
    """Not even its last one, put in the place of the real ledger's."""
    held, other = life.held(), files.read(replayed.folder / "ledger")
    last = {name: other[name] for name in (chain.authorization_name(18), chain.outcome_name(18))}
    with pytest.raises(WrongPrevious, match="previous: "):
        chain.verify({**held, **last}, life.anchor)


def test_a_rehearsals_plan_is_refused_by_the_real_ledger_whoever_approved_it(life: Life) -> None:
    state = life.state()
    plan = replace(_next(life), rehearsal=True)
    data = canonical.encode(plan)
    approvals = [cms.sign(data, life.signers[one.certificate], datetime.now(UTC)) for one in state.roster.people]
    with pytest.raises(RehearsalMixed, match="rehearsal: the plan is a rehearsal, the ledger real"):
        chain.check_next(state, cms.merge(approvals), life.anchor, datetime.now(UTC))


def test_a_real_plan_is_refused_by_a_rehearsals_ledger(life: Life, replayed: Replayed) -> None:
    played = replayed.state()
    plan = replace(_next(life), previous=played.head)
    with pytest.raises(RehearsalMixed, match="rehearsal: the plan is real, the ledger a rehearsal"):
        fold.plan_effects(played, plan)


def test_throw_away_people_cannot_approve_a_real_plan(life: Life) -> None:
    """Same ids, same roles; but other keys."""
    state, plan = life.state(), _next(life)
    data, troupe = canonical.encode(plan), Troupe()
    troupe.enlist(state.roster)
    doubles = [replace(person, certificate=troupe.certificates[person.certificate]) for person in state.roster.people]
    approvals = [der for _, _, der in troupe.approvals(plan, data, replace(state.roster, people=tuple(doubles)))]
    assert len(approvals) == 4
    with pytest.raises(StrangeSigner, match=r"signed by .*REHEARSAL [a-z]+-\d.*, who is not in the roster"):
        chain.check_next(state, cms.merge(approvals), life.anchor, datetime.now(UTC))


def test_real_people_cannot_approve_a_rehearsals_plan(life: Life, replayed: Replayed) -> None:
    """So that a real signature is never made by mistake over something that is none of theirs."""
    played = replayed.state()
    plan = translate(_next(life), Parts({}, {}), played.head, datetime.now(UTC))
    real = life.state().roster.people[0]
    signed = cms.verify(cms.sign(canonical.encode(plan), life.signers[real.certificate], datetime.now(UTC)))
    with pytest.raises(StrangeSigner, match="signed by .*officer-1"):
        quorum.require(plan, signed.signers, played.roster)
