"""Each action of a plan, field by field, with what it changes: for the script before, and the minutes after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from appliance.ledger import clones, fold, genesis
from appliance.ledger.actions import (
    Action,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    Drill,
    EnrollBackup,
    EnrollClone,
    Found,
    Generate,
    RemoveBackup,
    RemoveClone,
    Restore,
    Retire,
    UpdateClone,
    action_name,
    subject_of,
)
from appliance.ledger.book import Book
from appliance.ledger.keys import Effect, KeyRecord
from appliance.ledger.plan import Plan
from appliance.ledger.policy import disclosing
from appliance.ledger.services import LOG, SERVICE
from appliance.ledger.state import LedgerState
from appliance.numbers.domains import Generation
from keyceremony.act.needs import others
from keyceremony.sheets import changes
from keyceremony.sheets.blocks import Block, Code, Field, Table
from keyceremony.sheets.wording import Wording, texts


def blocks(t: Wording, plan: Plan, state: LedgerState | None) -> tuple[Block, ...]:
    """The actions in their order. ``state``: the verified one before the plan, None at genesis.

    Raises:
        LedgerError: (a subclass) an action is not possible in that state.
    """
    effects = fold.plan_effects(state, plan)
    described = _Described(t, plan, state)
    return tuple(
        described.block(number, action, effect)
        for number, (action, effect) in enumerate(zip(plan.actions, effects, strict=True), start=1)
    )


class _Described:
    """A plan's actions in one language."""

    def __init__(self, t: Wording, plan: Plan, state: LedgerState | None) -> None:
        self.t = t
        self.state = state
        self.titles = dict(state.titles) if state else {}
        self.titles |= {one.domain.name: one.domain.title for one in plan.actions if isinstance(one, AddDomain)}
        self.generated = {a.generation: a for a in plan.actions if isinstance(a, Generate)}

    def block(self, number: int, action: Action, effect: Effect) -> Block:
        word = action_name(action)
        before, after = self._change(effect)
        return Block(
            number=number,
            name=self.t(f"action.{word}"),
            word=word,
            subject=subject_of(action),
            meaning=self.t(f"meaning.{word}"),
            before=before,
            after=after,
            fields=tuple(self._fields(action)),
            tables=tuple(self._tables(action)),
        )

    def _change(self, effect: Effect) -> tuple[str, str]:
        """The states of a key; of other actions the fields tell."""
        before, after = (f"state.{one or 'none'}" for one in (effect.before, effect.after))
        known = texts()
        return (self.t(before), self.t(after)) if before in known and effect.after and after in known else ("", "")

    def _fields(self, action: Action) -> Iterator[Field]:
        t = self.t
        match action:
            case Found() | EnrollBackup() | Restore() | Drill() | EnrollClone():
                yield Field(t("field.token_label"), Code(action.token_label))
                yield Field(t("field.token_serial"), Code(action.token_serial))
                yield from self._copies_from(action)
            case UpdateClone():
                yield Field(t("minutes.token"), self.token(action.token_serial))
                yield from self._brought(action)
            case RemoveBackup() | RemoveClone():
                yield Field(t("minutes.token"), self.token(action.token_serial))
                yield Field(t("field.lost"), t("field.lost_yes" if action.lost else "field.lost_no"))
            case AddDomain():
                yield from self._domain(action)
            case ChangeRoster() | ChangePolicy():
                pass  # tables
            case _:
                yield from self._key(action)

    def _copies_from(self, action: Found | EnrollBackup | Restore | Drill | EnrollClone) -> Iterator[Field]:
        t, state = self.t, self.state
        match action:
            case EnrollBackup():
                copied = self.token(action.copy_from) if action.copy_from else t("sheet.none")
                yield Field(t("field.copy_from"), copied)
            case Restore() if state is not None:
                yield Field(t("field.source"), self.token(action.source))
                yield Field(t("field.replaces"), t.token(state.token_label, state.token_serial))
                if action.lost_backups:
                    yield Field(t("field.lost_backups"), "\n".join(map(self.token, action.lost_backups)))
                yield from self._given_up(action, state)
            case Drill() if state is not None:
                last = state.drills.get(action.source)
                yield Field(t("field.source"), self.token(action.source))
                yield Field(t("field.last_drill"), t.instant(last) if last else t("field.never"))
            case EnrollClone():
                yield from self._brought(action)
                log = Code(action.log_name) if action.log_name else t("field.log_none")
                yield Field(t("field.log_name"), log)
            case _:
                pass

    def _brought(self, action: EnrollClone | UpdateClone) -> Iterator[Field]:
        """From where a clone gets which keys, and which it goes on lacking."""
        t = self.t
        yield Field(t("field.source"), self.token(action.source))
        if self.state is None:
            return
        keys = clones.due(Book(self.state), action)
        yield Field(t("field.brought"), Code(_lines(keys)))
        lacking = clones.lacking(self.state.keys, action.token_serial)
        if left := [key for key in lacking if key not in keys]:
            yield Field(t("field.still_lacking"), Code(_lines(left)))

    def _given_up(self, action: Restore, state: LedgerState) -> Iterator[Field]:
        """Keys that are lost for ever; a log key goes with every restore, and what it has signed does not."""
        kinds = {LOG: ("field.gone_log", "field.gone_log_key"), "": ("field.given_up", "field.lost_key")}
        told: dict[str, list[str]] = {}
        for name in action.lost:
            generation = Generation.parse(name)
            label, text = kinds[LOG if generation.domain == LOG else ""]
            was = self.t(f"state.{state.keys[generation].state}")
            told.setdefault(label, []).append(self.t(text, generation=name, state=was))
        yield from (Field(self.t(label), "\n".join(lines)) for label, lines in told.items())

    def _key(self, action: Action) -> Iterator[Field]:
        t = self.t
        domain = subject_of(action).rpartition(".")[0]
        if domain in self.titles:
            yield Field(t("field.domain_title"), self.titles[domain])
        if domain in SERVICE:
            yield Field(t("field.use"), t("field.use_log" if domain == LOG else "field.use_tag"))
        if isinstance(action, Generate):
            root = t("field.parent_service" if domain in SERVICE else "field.parent_root")
            yield Field(t("field.parent"), Code(action.parent) if action.parent else root)
            copies = "\n".join(self.token(serial) for serial in action.backups)
            yield Field(t("field.backups"), copies or t("field.no_backups"))
        if isinstance(action, Retire) and domain not in SERVICE:
            yield Field(t("field.census"), self._census(action))
        if isinstance(action, Destroy):
            yield Field(t("field.copies_now"), "\n".join(self._holders(action)))

    def _census(self, action: Retire) -> str:
        found = action.census
        if found is None:
            return self.t("field.census_none")
        counted, left = f"{found.counted:,}", f"{found.left:,}"
        return self.t("field.census_found", counted=counted, left=left, digest=found.digest)

    def _holders(self, action: Destroy) -> list[str]:
        """Every token that the key must be absent from afterwards."""
        if self.state is None:
            return []
        record = self.state.keys.get(Generation.parse(action.generation))
        made = self.generated.get(action.generation)
        serials = record.copies | record.clones if record else frozenset(made.backups if made else ())
        appliance = self.t.token(self.state.token_label, self.state.token_serial)
        return [appliance, *(self.token(serial) for serial in sorted(serials))]

    def _domain(self, action: AddDomain) -> Iterator[Field]:
        t, domain = self.t, action.domain
        yield Field(t("field.domain"), Code(domain.name))
        yield Field(t("field.domain_title"), domain.title)
        yield Field(t("field.domain_parent"), Code(domain.parent or "–"))
        yield Field(t("field.alphabet"), Code(changes.alphabet(domain)))
        yield Field(t("field.length"), str(domain.format.length))
        yield Field(t("field.check"), domain.format.check)

    def _tables(self, action: Action) -> Iterator[Table]:
        match action:
            case Found():
                yield from changes.roster_tables(self.t, None, action.roster)
                yield changes.domain_table(self.t, action.domains)
                shown = disclosing(genesis.tree_of(action.domains))
                yield from changes.policy_tables(self.t, None, action.policy, shown)
            case ChangeRoster() if self.state is not None:
                yield from changes.roster_tables(self.t, self.state.roster, action.roster)
            case ChangePolicy() if self.state is not None:
                shown = disclosing(self.state.tree)
                yield from changes.policy_tables(self.t, self.state.policy, action.policy, shown)
            case _:
                pass

    def token(self, serial: str) -> str:
        """A backup token or a clone by its serial number."""
        known = {one.serial: one.label for one in others(self.state)} if self.state else {}
        return self.t.token(known[serial], serial) if serial in known else self.t("sheet.backup_unknown", serial=serial)


def _lines(keys: Iterable[KeyRecord]) -> str:
    return "\n".join(str(key.generation) for key in keys)
