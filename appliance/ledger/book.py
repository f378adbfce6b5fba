"""What a plan's actions do to the state, one by one, on a working copy of it.

What an action needs and does is decided here and in `appliance.ledger.keys`, once for everybody: drafting and
showing a plan, the checks before a token is touched, and the folding of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from appliance.ledger import certificate as certificates
from appliance.ledger import clones, genesis
from appliance.ledger import policy as policies
from appliance.ledger.actions import (
    Action,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Drill,
    EnrollBackup,
    EnrollClone,
    Found,
    RemoveBackup,
    RemoveClone,
    Restore,
    TokenAction,
    UpdateClone,
    action_name,
    subject_of,
)
from appliance.ledger.errors import CertificateInvalid, IllegalAction
from appliance.ledger.keys import PLANNED, Effect, KeyRecord, Made
from appliance.ledger.roster import Roster, decode_certificate
from appliance.ledger.state import BackupToken, LedgerState
from appliance.ledger.workingstate import PresentToken, WorkingState
from appliance.numbers.domains import Generation


class Book(WorkingState):
    """Carries a plan's actions out on it."""

    def carry_out(self, action: Action, made: Made = PLANNED) -> Effect:
        """Do one action, as far as it concerns what is agreed; ``made``: what a token told of a new key.

        Raises:
            IllegalAction: (or another LedgerError) the state, or a rule about what the action names, forbids it.
        """
        match action:
            case Found():
                raise IllegalAction("found belongs to genesis only")
            case ChangeRoster():
                return self._change_roster(action)
            case ChangePolicy():
                return self._change_policy(action)
            case AddDomain():
                return self._add_domain(action)
            case EnrollBackup() | RemoveBackup() | Restore() | Drill():
                return self._tokens(action)
            case EnrollClone() | UpdateClone() | RemoveClone():
                return clones.carry_out(self, action)
            case _:
                return self.keys.carry_out(action, made)

    def _change_roster(self, action: ChangeRoster) -> Effect:
        if action.roster == self.roster:
            raise IllegalAction("change-roster: it is the present roster; nothing would change")
        require_no_token_key(self.state, action.roster)
        policies.require_reachable(self.policy, action.roster)
        before, self.roster = self.roster, action.roster
        return Effect(
            action_name(action), "roster", f"{len(before.people)} people", f"{len(self.roster.people)} people"
        )

    def _change_policy(self, action: ChangePolicy) -> Effect:
        if action.policy == self.policy:
            raise IllegalAction("change-policy: it is the present policy; nothing would change")
        policies.validate(action.policy, self.keys.tree)
        policies.require_reachable(action.policy, self.roster)
        before, self.policy = self.policy, action.policy
        self.changed()
        return Effect(action_name(action), "policy", f"{len(before.roles)} roles", f"{len(self.policy.roles)} roles")

    def _add_domain(self, action: AddDomain) -> Effect:
        if action.domain.name in self.keys.tree:
            raise IllegalAction(f"add-domain: {action.domain.name} is a domain already")
        grown = (*self.domains, action.domain)
        genesis.tree_of(grown)
        self.domains = grown
        self.changed()
        return Effect(action_name(action), action.domain.name, None, f"under {action.domain.parent}")

    def _tokens(self, action: EnrollBackup | RemoveBackup | Restore | Drill) -> Effect:
        match action:
            case EnrollBackup():
                return self._enroll(action)
            case RemoveBackup():
                label = self._leave(action, action.token_serial)
                return Effect(action_name(action), label, "backup token", "lost" if action.lost else "emptied")
            case Restore():
                return self._restore(action)
            case Drill():
                self.require_free(action, action.token_serial)
                self._require_copies(action, action.source)
                before_drill = self.drills.get(action.source)
                self.drills[action.source] = self.moment.at
                return Effect(action_name(action), action.token_label, before_drill, "rehearsed and emptied again")

    def _restore(self, action: Restore) -> Effect:
        self.require_free(action, action.token_serial)
        for serial in action.lost_backups:
            self._leave(action, serial)
        self.require_backup(action, action.source)
        for text in action.lost:
            self._lose(Generation.parse(text))
        self._require_complete(action.source)
        before, self.token = self.token, PresentToken(action.token_label, action.token_serial)
        return Effect(action_name(action), action.token_label, str(before), str(self.token))

    def _leave(self, action: TokenAction, serial: str) -> str:
        """A backup token leaves, and its copies are not counted any more; its label."""
        self.require_backup(action, serial)
        gone = self.backups.pop(serial)
        self.drills.pop(serial, None)
        self._forget_copies(serial)
        return gone.label

    def _lose(self, generation: Generation) -> None:
        try:
            self.keys.lose(generation)
        except IllegalAction as error:
            raise IllegalAction(f"restore: lost: {error.reason}") from error

    def _require_complete(self, source: str) -> None:
        """Whatever has not been given up comes from the source, and what another token has is not given up."""
        missing = [key for key in self.live() if source not in key.copies]
        if elsewhere := [key for key in missing if key.copies]:
            holders = ", ".join(sorted(frozenset().union(*(key.copies for key in elsewhere))))
            raise IllegalAction(
                f"restore: backup token {source} has no copy of {_names(elsewhere)};"
                f" restore from one that has: {holders}"
            )
        if missing:
            raise IllegalAction(
                f"restore: no backup token has a copy of {_names(missing)};"
                " name what is given up as lost, so that the others can be restored"
            )

    def _enroll(self, action: EnrollBackup) -> Effect:
        self.require_free(action, action.token_serial)
        if action.copy_from is not None:
            self.require_backup(action, action.copy_from)
        bare = BackupToken(action.token_label, action.token_serial, self.moment.sequence)
        self.backups[action.token_serial] = bare
        self.changed()
        if action.copy_from is not None:
            for key in self.live():
                if action.copy_from in key.copies:
                    self._give_copy(key, action.token_serial)
        return Effect(subject=subject_of(action), action=action_name(action), before=None, after="backup token")

    def _give_copy(self, key: KeyRecord, serial: str) -> None:
        self.keys.keys[key.generation] = replace(key, copies=key.copies | {serial})

    def _forget_copies(self, serial: str) -> None:
        for key in list(self.keys.keys.values()):
            self.keys.keys[key.generation] = replace(key, copies=key.copies - {serial})
        self.changed()

    def _require_copies(self, action: TokenAction, source: str) -> None:
        self.require_backup(action, source)
        if not any(source in key.copies for key in self.live()):
            raise IllegalAction(f"{action_name(action)}: backup token {source} has no copy of any key to rehearse with")


def _names(keys: Iterable[KeyRecord]) -> str:
    return ", ".join(str(key.generation) for key in keys)


def require_no_token_key(state: LedgerState, roster: Roster) -> None:
    """Refuse a roster in which somebody signs with the appliance's or a backup token's own key.

    Raises:
        CertificateInvalid: naming the person.
    """
    machines = [state.identity_certificate, *(backup.identity_certificate for backup in state.backups.values())]
    identities = {certificates.read(der).key_identity for der in machines}
    for person in roster.people:
        if decode_certificate(person.id, person.certificate).key_identity in identities:
            raise CertificateInvalid(f"roster: {person.id}: the key is a token's own identity key")
