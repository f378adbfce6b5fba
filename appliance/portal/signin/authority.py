"""Whether a card's certificate is good now: issued by an authority that the operator named, in force, not revoked.

An authority is one certificate, named by file, that issues cards directly; no chain is built, and nothing is fetched.
Each has at least one revocation list. A card for which no list in force speaks is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography import x509

from appliance.portal.signin import issuer, profile
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.issuer import Issuer
from appliance.portal.signin.listfile import ListFile
from appliance.portal.signin.reasons import CardRefused, Reason, SignInUnusable

__all__ = ["Authorities", "CardId"]


class Authorities:
    """The authorities whose cards are accepted, and what they have revoked.

    Raises:
        SignInUnusable: a file cannot be used, none is named, or an authority has no revocation list.
    """

    def __init__(self, certificates: Iterable[Path], lists: Iterable[Path]) -> None:
        self._issuers = [issuer.load(path) for path in certificates]
        self._lists = [ListFile(path, self._issuers) for path in lists]
        self._renewing = threading.Lock()
        if not self._issuers:
            raise SignInUnusable("no card authority is named", "name the certificate of the one that issues the cards")
        for one in self._issuers:
            if not any(file.issuer is one for file in self._lists):
                raise SignInUnusable(
                    f"card authority {one.name}: no revocation list of it is named",
                    "without one nobody can be signed in; an empty list is a list as well",
                )

    def check(self, certificate: bytes, moment: datetime) -> CardId:
        """The card whose certificate (DER) this is, if it is good at that moment.

        Raises:
            CardRefused: with the first reason found, in the order of `appliance.portal.signin.reasons.Reason`.
        """
        try:
            with profile.strictly():
                return self._checked(profile.read(certificate), moment)
        except profile.Unreadable:
            raise CardRefused(Reason.MALFORMED) from None
        except profile.Unsuitable:
            raise CardRefused(Reason.NOT_FOR_SIGNING) from None

    def standing(self) -> list[str]:
        """The lists in force, one line each."""
        return [file.told for file in self._lists]

    def renew(self) -> list[str]:
        """Take in the lists whose files were replaced; what is to be said of that.

        Whoever comes while another thread is at it goes on at once, with the lists of before.
        """
        if not self._renewing.acquire(blocking=False):
            return []
        try:
            return [line for file in self._lists if (line := file.renew()) is not None]
        finally:
            self._renewing.release()

    def _checked(self, certificate: x509.Certificate, moment: datetime) -> CardId:
        issued_by = self._issuer_of(certificate, moment)
        profile.require_for_signing_in(certificate)
        if moment < certificate.not_valid_before_utc:
            raise CardRefused(Reason.NOT_YET_VALID)
        if moment > certificate.not_valid_after_utc:
            raise CardRefused(Reason.EXPIRED)
        self._require_not_revoked(certificate, issued_by, moment)
        return CardId.of(issued_by.key_der, certificate.serial_number)

    def _issuer_of(self, certificate: x509.Certificate, moment: datetime) -> Issuer:
        for one in self._issuers:
            in_force = one.certificate.not_valid_before_utc <= moment <= one.certificate.not_valid_after_utc
            if in_force and profile.is_issued_by(certificate, one.certificate):
                return one
        raise CardRefused(Reason.OTHER_AUTHORITY)

    def _require_not_revoked(self, certificate: x509.Certificate, issued_by: Issuer, moment: datetime) -> None:
        named = profile.lists_named(certificate)
        own = [file.at(moment) for file in self._lists if file.issuer is issued_by]
        current = [one for one in own if one.is_for(named) and one.covers(moment)]
        if any(certificate.serial_number in one.serials for one in current):
            raise CardRefused(Reason.REVOKED)
        if not current:
            raise CardRefused(Reason.CRL_OVERDUE)
