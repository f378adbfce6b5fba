"""Random ceremonies, legal and illegal, on a ledger whose every entry is really signed; beside it the small model.

What the model forbids must be refused with the right error and change nothing; after every step ledger and model must
agree. How a ceremony goes is in `ledgerceremonies`; here is what else may happen to a ledger, and what always holds.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace

import hypothesis
import ledgerkit
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from ledgerkit import HOUR, MINUTE, NOW

from appliance.ledger import annexes, canonical, chain, cms, order, rollback
from appliance.ledger.actions import ChangeRoster
from appliance.ledger.errors import LedgerError
from appliance.ledger.order import Order
from appliance.ledger.text import render_instant
from tests.fuzz.ledgerceremonies import COUNTS, PLANNED, Ceremonies, pick
from tests.fuzz.ledgermodel import GONE
from tests.fuzz.ledgermoves import PEOPLE, STRANGERS, broken_rosters, moves, signer_of

LATE = NOW + 48 * HOUR


class Ledgers(Ceremonies):
    """One ledger under way, and everybody who can reach its files."""

    # --- at the wrong time, in the wrong place ----------------------------------------------------------------------

    @rule(
        data=st.data(),
        what=st.sampled_from(("late", "early", "signed late", "other place", "other ledger", "rehearsal")),
    )
    def misplaced(self, data: st.DataObject, what: str) -> None:
        """A legal plan by the right people, at the wrong time or place."""
        actions = self._draw(data)
        if self._copy().judge(actions):
            return
        changes: dict[str, dict[str, object]] = {
            "other place": {"sequence": self.state.sequence + data.draw(st.sampled_from((0, 2, 7)))},
            "other ledger": {"previous": "ab" * 32},
            "rehearsal": {"rehearsal": True},
        }
        plan = ledgerkit.make_plan(actions, state=self.state, **changes.get(what, {}))
        at = LATE if what == "signed late" else PLANNED
        signers = self._enough(data, actions)
        if plan.sequence == 1:
            return
        authorization = ledgerkit.approve(plan, signers, at)
        expected = {
            "late": "PlanExpired",
            "early": "NotYetValid",
            "signed late": "ApprovalUntimely",
            "other place": "WrongSequence",
            "other ledger": "WrongPrevious",
            "rehearsal": "RehearsalMixed",
        }[what]
        now = {"late": LATE, "early": NOW - HOUR}.get(what, NOW + 2 * MINUTE)
        self._refused(expected, lambda: chain.check_next(self.state, authorization, self.anchor, now))
        COUNTS[f"misplaced: {what}"] += 1

    @rule(data=st.data())
    def wrong_roster(self, data: st.DataObject) -> None:
        """A roster that no ledger may have, approved by everybody."""
        action = ChangeRoster(roster=pick(data, broken_rosters()))
        plan = ledgerkit.make_plan([action], state=self.state)
        everybody = [ledgerkit.signer(signer_of(one.certificate)) for one in self.state.roster.people]
        authorization = ledgerkit.approve(plan, everybody)
        self._refused(
            "RosterInvalid", lambda: chain.check_next(self.state, authorization, self.anchor, NOW + 2 * MINUTE)
        )
        COUNTS["RosterInvalid"] += 1

    @rule(data=st.data())
    def replayed(self, data: st.DataObject) -> None:
        """An entry that was carried out already, once more."""
        number = data.draw(st.integers(1, len(self.states)))
        pair = self.files[chain.authorization_name(number)], self.files[chain.outcome_name(number)]
        self._refused("WrongSequence", lambda: chain.verify_entry(self.state, *pair, self.anchor))
        COUNTS["replayed"] += 1

    # --- beside the entries -----------------------------------------------------------------------------------------

    @rule(data=st.data(), kind=st.sampled_from(("attempt", "refusal")))
    def annexed(self, data: st.DataObject, kind: str) -> None:
        """A failed attempt, or somebody's refusal, of the entry that is to come; by the right signer or another."""
        sequence, name = self.state.sequence + 1, data.draw(st.sampled_from((*PEOPLE, *STRANGERS)))
        seated = {signer_of(one.certificate): one.id for one in self.state.roster.people}
        if kind == "attempt":
            who = ledgerkit.token_signer(self.model.token) if data.draw(st.booleans()) else ledgerkit.signer(name)
            made = ledgerkit.make_attempt(sequence, who)
            machines = {self.model.token, *self.model.backups}
            right = who.certificate in {ledgerkit.token_signer(serial).certificate for serial in machines}
        else:
            made = ledgerkit.make_refusal(sequence, seated.get(name, name.partition(",")[0]), ledgerkit.signer(name))
            right = name in seated
        place = annexes.next_name(self.files, sequence, kind)  # type: ignore[arg-type]
        grown = {**self.files, place: made}
        if right:
            chain.open_annexes(grown, self.state)
            self.files = grown
        else:
            self._refused("StrangeSigner", lambda: chain.open_annexes(grown, self.state))
        COUNTS[f"{kind} {'kept' if right else 'refused'}"] += 1

    @rule(data=st.data())
    def disclosure(self, data: st.DataObject) -> None:
        """An order signed by whoever comes along, held against roster and clock."""
        chosen = data.draw(st.lists(st.sampled_from((*PEOPLE, "stranger")), min_size=1, max_size=4, unique=True))
        hours = data.draw(st.sampled_from((0, 1, 3)))
        seated = {signer_of(one.certificate): one for one in self.state.roster.people}
        made = cms.merge([cms.sign(self._order(), ledgerkit.signer(name), NOW) for name in chosen])
        now = NOW + hours * HOUR
        if any(name not in seated for name in chosen):
            expected = "OrderSignerRefused"
        elif not any(seated[name].role == "oversight" for name in chosen):
            expected = "OrderUnsigned"
        else:
            expected = "OrderExpired" if hours > 2 else ""
        if expected:
            self._refused(expected, lambda: order.verify(made, self.state, now=now))
        else:
            assert order.digest(self._order()) == order.verify(made, self.state, now=now).digest
        COUNTS[f"order: {expected or 'good'}"] += 1

    def _order(self) -> bytes:
        fields = {"source": "sspin.B", "target": "resident", "role": "hub", "purpose": "exchange", "case": "a case"}
        times = {"issued": NOW, "not_before": NOW, "not_after": NOW + 2 * HOUR}
        made = {name: render_instant(at) for name, at in times.items()}
        return order.encode(
            Order(type="kagimori/order/v1", anchor=self.anchor, id="ab" * 16, most=3, **fields, **made)  # type: ignore[arg-type]
        )

    # --- the files, by somebody who may write to them ---------------------------------------------------------------

    @rule(data=st.data(), what=st.sampled_from(("byte", "missing", "swapped", "moved", "added", "annex")))
    def spoilt(self, data: st.DataObject, what: str) -> None:
        """Any file altered, taken away, exchanged or put in: the whole ledger is refused."""
        names = sorted(self.files)
        name = data.draw(st.sampled_from(names))
        files = dict(self.files)
        if what == "byte":
            at = data.draw(st.integers(0, len(files[name]) - 1))
            files[name] = (
                files[name][:at] + bytes([files[name][at] ^ 1 << data.draw(st.integers(0, 7))]) + files[name][at + 1 :]
            )
        elif what == "missing":
            if self._is_open(name) or (int(name[:6]) == self.state.sequence and ".outcome" not in name):
                return
            del files[name]
        elif what == "swapped":
            other = data.draw(st.sampled_from(names))
            if files[other] == files[name]:
                return
            files[name], files[other] = files[other], files[name]
            if self._is_open(name) and self._is_open(other):
                return
        elif what == "moved":
            files[f"{int(name[:6]) + 2:06d}{name[6:]}"] = files.pop(name)
        elif what == "added":
            files[chain.authorization_name(self.state.sequence + 1)] = files[chain.authorization_name(1)]
        else:
            number = data.draw(st.integers(1, self.state.sequence))
            files[annexes.next_name(files, number, "refusal")] = ledgerkit.make_refusal(number)
        try:
            chain.verify(files, self.anchor)
        except LedgerError as error:
            assert error.message
        else:
            raise AssertionError(f"{what} {name}: a spoilt ledger was accepted")
        COUNTS[f"spoilt: {what}"] += 1

    def _is_open(self, name: str) -> bool:
        """Whether it is an annex of the entry that is to come, which anybody could still take away."""
        return int(name[:6]) > self.state.sequence

    @rule(data=st.data())
    def cut_off(self, data: st.DataObject) -> None:
        """Any beginning of a ledger is a ledger, and an older one: who has seen more refuses it, and a fork of it."""
        length = data.draw(st.integers(1, len(self.states)))
        files = {name: one for name, one in self.files.items() if int(name[:6]) <= length}
        entries = chain.verify_entries(files, self.anchor)
        assert (entries[-1].head, len(entries)) == (self.states[length - 1].head, length)
        seen = rollback.Seen(sequence=self.state.sequence, head=self.state.head)
        if length < len(self.states):
            self._refused("LedgerRolledBack", lambda: rollback.require_not_behind(seen, entries))
            other = rollback.Seen(sequence=length, head="ab" * 32)
            self._refused("LedgerForked", lambda: rollback.require_not_behind(other, entries))
        else:
            assert rollback.require_not_behind(seen, entries) == seen
        COUNTS["cut off"] += 1

    @rule(data=st.data())
    def forked(self, data: st.DataObject) -> None:
        """An entry that was agreed on for an older state does not go on the present one."""
        length = data.draw(st.integers(1, len(self.states)))
        if length == len(self.states):
            return
        before = self.states[length - 1]
        plan = ledgerkit.make_plan(moves()["drill"][:1], state=before, sequence=self.state.sequence + 1)
        everybody = [ledgerkit.signer(signer_of(one.certificate)) for one in self.state.roster.people]
        authorization = ledgerkit.approve(plan, everybody)
        self._refused(
            "WrongPrevious", lambda: chain.check_next(self.state, authorization, self.anchor, NOW + 2 * MINUTE)
        )
        COUNTS["forked"] += 1

    # --- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def as_the_model(self) -> None:
        """Ledger and model agree on everything the model knows."""
        state, model = self.state, self.model
        assert {str(name): key.state.value for name, key in state.keys.items()} == {
            name: key.state for name, key in model.keys.items()
        }
        for name, key in state.keys.items():
            known = model.keys[str(name)]
            assert (set(key.copies), set(key.clones)) == (known.copies, known.clones), name
            assert (key.ratified, str(key.before_suspension or "")) == (known.ratified, known.before), name
        assert {domain: str(one) for domain, one in state.current.items()} == model.current()
        assert {serial: one.label for serial, one in state.backups.items()} == model.backups
        assert {serial: (one.label, one.log_name) for serial, one in state.clones.items()} == model.clones
        assert (state.token_serial, state.token_label) == (model.token, model.label)
        assert (state.roster, state.policy) == (model.roster, model.policy)
        assert set(state.drills) == model.drilled
        assert {spec.name: spec.parent for spec in state.domains} == model.parents

    @invariant()
    def sound(self) -> None:
        """One current generation a domain, nobody in two roles, nothing comes back, no identifier twice."""
        state = self.state
        for domain, one in state.current.items():
            assert one.domain == domain and state.keys[one].state.value == "active"
        roles: dict[str, set[str]] = {}
        for person in state.roster.people:
            roles.setdefault(person.name, set()).add(person.role)
        assert all(len(found) == 1 for found in roles.values())
        for before, after in zip(self.states, self.states[1:], strict=False):
            for name, key in before.keys.items():
                assert key.state.value not in GONE or after.keys[name].state is key.state, "a key came back"
        ids = [key.key_id for key in state.keys.values()] + [
            one.log_key_id for one in state.clones.values() if one.log_name
        ]
        assert len(set(ids)) == len(ids)

    def teardown(self) -> None:
        """The files alone, from genesis on, give the same states."""
        if not hasattr(self, "files"):
            return
        entries = chain.verify_entries(self.files, self.anchor)
        for entry, state in zip(entries, self.states, strict=True):
            assert replace(entry.state, tree=state.tree) == state
        assert all(canonical.encode(entry.plan) for entry in entries)
        COUNTS["entries verified"] += len(entries)


@dataclass
class Ran:
    """What a run did."""

    ledgers: int = 0
    steps: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    finding: str | None = None


def run(ledgers: int, seed: int, steps: int = 30) -> Ran:
    """So many random ledgers of up to ``steps`` steps; the first finding ends the run, made small."""
    COUNTS.clear()
    ran, begin = Ran(), time.monotonic()
    chosen = settings(
        max_examples=ledgers,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
        print_blob=False,
        report_multiple_bugs=False,
    )
    try:
        run_state_machine_as_test(hypothesis.seed(seed)(Ledgers), settings=chosen)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        ran.finding = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
    ran.seconds, ran.kinds = time.monotonic() - begin, Counter(COUNTS)
    ran.ledgers = ran.kinds.pop("ledgers", 0)
    ran.steps = sum(count for kind, count in ran.kinds.items() if kind != "entries verified")
    return ran
