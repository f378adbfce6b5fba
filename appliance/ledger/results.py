"""Whether an outcome's results are those of its plan's actions, one by one, and what they tell of tokens and keys."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from appliance.ledger import attributes as rules
from appliance.ledger import canonical, cloneresults, clones
from appliance.ledger import certificate as certificates
from appliance.ledger.actions import (
    Action,
    Activate,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    Drill,
    EnrollBackup,
    EnrollClone,
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
    subject_of,
)
from appliance.ledger.book import Book
from appliance.ledger.errors import CertificateInvalid, KeyReused
from appliance.ledger.keys import Made
from appliance.ledger.outcome import (
    ActionResult,
    BackupEnrolled,
    BackupRemoved,
    CloneEnrolled,
    CloneRemoved,
    CloneUpdated,
    Destroyed,
    Drilled,
    Generated,
    GeneratedPair,
    Recorded,
    Restored,
    StateChanged,
)
from appliance.ledger.publickey import decode_transport_key
from appliance.ledger.resultrules import check_copies, log_key, mismatch, require_random, same
from appliance.ledger.roster import decode_certificate
from appliance.ledger.services import LOG
from appliance.numbers.domains import Generation


class Results:
    """Takes a plan's results one after the other into a book; what they tell of the identity is kept here."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.identity_key_id = book.state.identity_key_id
        self.identity_certificate = book.state.identity_certificate
        self.restored = book.state.restored

    def take(self, action: Action, result: ActionResult) -> None:
        """One action with its result.

        Raises:
            IllegalAction: the action is not allowed.
            OutcomeMismatch: the result is not one of this action.
            AttributesRefused, KeyReused, CertificateInvalid: a key that must not be used.
        """
        match action, result:
            case Generate(), Generated() | GeneratedPair():
                self._generated(action, result)
            case Destroy(), Destroyed():
                self._destroyed(action, result)
            case EnrollBackup(), BackupEnrolled():
                self._enrolled(action, result)
            case RemoveBackup(), BackupRemoved():
                self._removed(action, result)
            case Restore(), Restored():
                self._restored(action, result)
            case Drill(), Drilled():
                self._drilled(action, result)
            case EnrollClone(), CloneEnrolled():
                cloneresults.enrolled(self.book, self.require_new, action, result)
            case UpdateClone(), CloneUpdated():
                cloneresults.updated(self.book, action, result)
            case RemoveClone(), CloneRemoved():
                cloneresults.removed(self.book, action, result)
            case ((ChangeRoster() | ChangePolicy() | AddDomain()), Recorded()):
                self._recorded(action, result)
            case ((Activate() | Restrict() | Suspend() | Ratify() | Resume() | Retire()), StateChanged()):
                self._moved(action, result)
            case _:
                raise mismatch(action)

    def _generated(self, action: Generate, result: Generated | GeneratedPair) -> None:
        same(action, result.generation == action.generation)
        pair = Generation.parse(action.generation).domain == LOG
        same(action, pair == isinstance(result, GeneratedPair), "a log key is a pair, and no other key is")
        key_id, check_value = bytes.fromhex(result.key_id), bytes.fromhex(result.check_value)
        self.require_new(action.generation, key_id, check_value)
        if isinstance(result, GeneratedPair):
            made = Made(key_id, check_value, log_key(action, action.generation, result))
        else:
            self._check_generated(action, result)
            made = Made(key_id, check_value)
        self.book.carry_out(action, made)

    def _check_generated(self, action: Generate, result: Generated) -> None:
        kind = rules.BACKED_UP if action.backups else rules.NEVER_EXTRACTABLE
        rules.require_conversion_key(action.generation, result.attributes, kind)
        same(action, set(result.copies) == set(action.backups), "other tokens got a copy than those of the plan")
        for serial, told in result.copies.items():
            rules.require_conversion_key(f"{action.generation} on token {serial}", told, rules.COPY)

    def _moved(self, action: Action, result: StateChanged) -> None:
        effect = self.book.carry_out(action)
        same(action, result.generation == subject_of(action))
        same(action, result.state == effect.after, f"the outcome says {result.state!r}")

    def _destroyed(self, action: Destroy, result: Destroyed) -> None:
        same(action, result.generation == action.generation)
        record = self.book.keys.keys.get(Generation.parse(action.generation))
        self.book.carry_out(action)
        others = record.copies | record.clones if record else frozenset()
        held = sorted({self.book.token.serial, *others})
        same(action, sorted(result.absent_from) == held, f"absence must be proven on {', '.join(held)}")

    def _recorded(self, action: ChangeRoster | ChangePolicy | AddDomain, result: Recorded) -> None:
        self.book.carry_out(action)
        same(action, (result.subject, result.digest) == (subject_of(action), content_digest(action)))

    def _enrolled(self, action: EnrollBackup, result: BackupEnrolled) -> None:
        told = (result.token.label, result.token.serial)
        same(action, told == (action.token_label, action.token_serial))
        certificate = self._identity(result.key_id, result.certificate)
        rules.require_transport_key(action.token_label, result.attributes)
        ids = [bytes.fromhex(text) for text in (result.transport_id, result.trusted_id, result.key_id)]
        for key_id in ids:
            self._require_new_id(action.token_label, key_id)
        same(action, result.transport_id != result.key_id, "its two keys have one identifier")
        transport_key = self._transport_key(result.transport_key)
        self.book.carry_out(action)
        self.book.backups[action.token_serial] = replace(
            self.book.backups[action.token_serial],
            transport_id=ids[0],
            transport_key=transport_key,
            trusted_id=ids[1],
            identity_key_id=ids[2],
            identity_certificate=certificate,
        )
        wanted = [key for key in self.book.live() if action.token_serial in key.copies]
        check_copies(action, result.copies, wanted, rules.COPY)

    def _removed(self, action: RemoveBackup, result: BackupRemoved) -> None:
        backup = self.book.backups.get(action.token_serial)
        copied = [key.key_id for key in self.book.live() if action.token_serial in key.copies]
        self.book.carry_out(action)
        if backup is None or (result.serial, result.trusted_id) != (backup.serial, backup.trusted_id.hex()):
            raise mismatch(action)
        held = [] if action.lost else [backup.transport_id, backup.identity_key_id, *copied]
        same(action, sorted(result.removed) == sorted(id_.hex() for id_ in held), "other keys are gone than it held")

    def _restored(self, action: Restore, result: Restored) -> None:
        self.book.carry_out(action)
        check_copies(action, result.keys, self.book.live(), rules.RESTORED)
        certificate = self._identity(result.key_id, result.certificate)
        same(action, set(result.trusted) == set(self.book.backups), "each backup token's transport key is trusted")
        for serial, text in result.trusted.items():
            self._require_new_id(action.token_label, bytes.fromhex(text))
            self.book.backups[serial] = replace(self.book.backups[serial], trusted_id=bytes.fromhex(text))
        self._require_new_id(action.token_label, bytes.fromhex(result.key_id))
        self.identity_key_id, self.identity_certificate = bytes.fromhex(result.key_id), certificate
        self.restored = self.book.moment.sequence

    def _drilled(self, action: Drill, result: Drilled) -> None:
        self.book.carry_out(action)
        same(action, (result.scratch.label, result.scratch.serial) == (action.token_label, action.token_serial))
        wanted = [key for key in self.book.live() if action.source in key.copies]
        check_copies(action, result.keys, wanted, rules.RESTORED)

    def _transport_key(self, text: str) -> bytes:
        info = decode_transport_key("results: transport_key", text)
        if any(info == backup.transport_key for backup in self.book.backups.values()):
            raise KeyReused("results: transport_key: another backup token has this transport key already")
        return info

    def _identity(self, key_id: str, text: str) -> bytes:
        """A token's own certificate, nobody else's key."""
        require_random(bytes.fromhex(key_id))
        certificate = decode_certificate("results: certificate", text)
        certificates.require_self_signed(certificate.der)
        for person in self.book.roster.people:
            if decode_certificate(person.id, person.certificate).key_identity == certificate.key_identity:
                raise CertificateInvalid(f"results: certificate: the identity key is {person.id}'s own key")
        others = [self.identity_certificate, *(b.identity_certificate for b in self.book.backups.values())]
        if any(der and certificates.read(der).key_identity == certificate.key_identity for der in others):
            raise KeyReused("results: certificate: another token has this identity key already")
        return certificate.der

    def require_new(self, generation: str, key_id: bytes, check_value: bytes) -> None:
        """Refuse a key that the ledger has had before, by identifier or check value; raises KeyReused."""
        self._require_new_id(generation, key_id)
        if any(
            check_value == known.check_value for known in (*self.book.keys.keys.values(), *clones.log_keys(self.book))
        ):
            raise KeyReused(f"{generation}: check_value {check_value.hex()} is another key's: the same key twice")

    def _require_new_id(self, whose: str, key_id: bytes) -> None:
        require_random(key_id)
        taken = {self.identity_key_id, *(key.key_id for key in self.book.keys.keys.values())}
        for backup in self.book.backups.values():
            taken |= {backup.transport_id, backup.trusted_id, backup.identity_key_id}
        taken |= {key.key_id for key in clones.log_keys(self.book)}
        if key_id in taken:
            raise KeyReused(f"{whose}: key_id {key_id.hex()} is taken already")


def content_digest(action: ChangeRoster | ChangePolicy | AddDomain) -> str:
    """SHA-256 (lower-case hex) of what an action puts in place, in canonical JSON."""
    match action:
        case ChangeRoster():
            content: object = action.roster
        case ChangePolicy():
            content = action.policy
        case AddDomain():
            content = action.domain
    return hashlib.sha256(canonical.encode(content)).hexdigest()
