"""Throw-away people: for every certificate of a roster a new key, which never leaves the memory of this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.ledger import certificate, cms, quorum
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person, Roster, encode_certificate
from keyceremony.people.signers import PemSigner, public_key_info
from keyceremony.rehearsal.cast import MARK

_VALID = timedelta(days=2)  # longer than any plan of a rehearsal, and soon of no use to anybody


@dataclass
class Troupe:
    """``certificates``: by a person's original certificate the throw-away one, both base64 of DER."""

    certificates: dict[str, str] = field(default_factory=dict)
    _signers: dict[str, cms.Signer] = field(default_factory=dict, repr=False)

    def enlist(self, roster: Roster) -> None:
        """A key and a certificate for everybody in a real roster who has none yet; a renewed certificate is new."""
        for person in roster.people:
            if person.certificate not in self.certificates:
                signer = _signer(person.id)
                made = encode_certificate(signer.certificate)
                self.certificates[person.certificate] = made
                self._signers[made] = signer

    def approvals(self, plan: Plan, data: bytes, roster: Roster) -> Iterator[tuple[Person, bool, bytes]]:
        """As many throw-away people's approvals as each body needs: who, whether only in the new roster, and CMS.

        ``plan`` and ``data`` are the rehearsal's, and so is ``roster``, the one that decides on it.
        """
        known = {person.certificate for person in roster.people}
        signed: set[str] = set()
        for body in quorum.bodies(plan, roster).values():
            for person in _enough(plan, body):
                if person.certificate not in signed:
                    signed.add(person.certificate)
                    approval = cms.sign(data, self._signers[person.certificate], datetime.now(UTC))
                    yield person, person.certificate not in known, approval


def _enough(plan: Plan, body: Roster) -> list[Person]:
    needed = quorum.threshold_for(plan, body)
    officers = [person for person in body.people if person.role == "officer"]
    oversight = [person for person in body.people if person.role == "oversight"]
    return officers[: needed.officers] + oversight[: needed.oversight]


def _signer(person_id: str) -> cms.Signer:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    sign = PemSigner(key, b"").sign
    der = certificate.self_signed(f"{MARK} {person_id}", public_key_info(key), sign, now, now + _VALID)
    return PemSigner(key, der)
