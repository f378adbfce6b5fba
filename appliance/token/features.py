"""What Kagimori needs of a token, feature by feature; how a lack is seen before anything is made; what it costs.

A lack that shows as a return code in the middle of a ceremony leaves people before half of the work. So a token is
asked beforehand: which mechanisms it lists (C_GetMechanismInfo, PKCS#11 2.40, section 5.5), and whether it makes a
session object by the very templates that are used afterwards. `appliance qualify` looks much closer, in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, PKCS11Error
from pkcs11.exceptions import MechanismInvalid

from appliance.token import templates
from appliance.token.errors import FeatureMissing, asking, code_name, is_lost
from appliance.token.objects import Objects
from appliance.token.readback import read

_CONSULT = "take another token; `appliance qualify` tells all that this one lacks, and docs/hsm-qualification.md more"

Use = tuple[Mechanism, MechanismFlag]


@dataclass(frozen=True, eq=False)  # each is one of a kind; a template cannot be hashed
class Feature:
    """One thing a token must be able to do.

    ``making``: mechanisms that make its keys; ``using``: those that work with them; ``kind``: the conversion key's
    template that is tried. ``lack`` says what is not there, ``cost`` what cannot be done without it.
    """

    lack: str
    cost: str
    making: tuple[Use, ...] = ()
    using: tuple[Use, ...] = ()
    kind: templates.Template | None = None


CONVERSION = Feature(
    lack="no AES-256 keys that never leave it",
    cost="no conversion key is made on it",
    making=((Mechanism.AES_KEY_GEN, MechanismFlag.GENERATE),),
    using=((Mechanism.AES_ECB, MechanismFlag.ENCRYPT),),
    kind=templates.NEVER_EXTRACTABLE,
)
IDENTITY = Feature(
    lack="no P-256 signing key",
    cost="no outcome of a ceremony can be signed, so there is no ledger",
    making=((Mechanism.EC_KEY_PAIR_GEN, MechanismFlag.GENERATE_KEY_PAIR),),
    using=((Mechanism.ECDSA, MechanismFlag.SIGN),),
)
LOG = Feature(
    lack="no Ed25519 log key",
    cost="no checkpoint of the audit log can be signed, so no daemon starts",
    making=((Mechanism.EC_EDWARDS_KEY_PAIR_GEN, MechanismFlag.GENERATE_KEY_PAIR),),
    using=((Mechanism.EDDSA, MechanismFlag.SIGN),),
)
BACKUP = Feature(
    lack="no backup",
    cost="its keys are lost with it, and with them the link between every person's numbers",
    using=((Mechanism.RSA_PKCS_OAEP, MechanismFlag.WRAP),),
    kind=templates.BACKED_UP,
)
TRANSPORT = Feature(
    lack="no transport key",
    cost="no key can come to it, so it cannot be restored to, hold copies, or be a clone",
    making=((Mechanism.RSA_PKCS_KEY_PAIR_GEN, MechanismFlag.GENERATE_KEY_PAIR),),
    using=((Mechanism.RSA_PKCS_OAEP, MechanismFlag.UNWRAP),),
)
PRODUCTION = (CONVERSION, IDENTITY, LOG, BACKUP, TRANSPORT)
"""What an appliance's token needs: one day it is restored from a copy, or its copy to another one."""


class Features:
    """A part of `Token`."""

    _objects: Objects

    def require_features(self, *features: Feature, made: bool = False) -> None:
        """Refuse a token that lacks a feature, before anything is made on it. Nothing is stored there.

        ``made``: the keys are there already, so only what works with them is looked for.

        Raises:
            FeatureMissing: naming every lack, why it is seen, and what it costs.
            TokenUnavailable: see there.
        """
        session = self._objects.session
        lacks = []
        with asking(f"what {self._objects.described} can do"):
            for feature in features:
                reasons = _unlisted(session, feature.using if made else feature.making + feature.using)
                if not (made or reasons or feature.kind is None):
                    reasons = _refused(session, feature.kind)
                if reasons:
                    lacks.append(f"{feature.lack} ({', '.join(reasons)}): {feature.cost}")
        if lacks:
            raise FeatureMissing(f"{self._objects.described}: not fit for this: {'; '.join(lacks)}", _CONSULT)


def listed(session: Any, use: Use) -> bool:
    """Whether the token lists a mechanism, for that use."""
    mechanism, flag = use
    slot = session.token.slot
    try:
        return mechanism in slot.get_mechanisms() and bool(slot.get_mechanism_info(mechanism).flags & flag)
    except MechanismInvalid:
        return False


def _unlisted(session: Any, uses: tuple[Use, ...]) -> list[str]:
    absent = [f"CKM_{use[0].name}" for use in uses if not listed(session, use)]
    return [f"{', '.join(absent)} not there"] if absent else []


def _refused(session: Any, kind: templates.Template) -> list[str]:
    """Why no key is made by a template; the key that is made by it is a session object, and removed."""
    template = templates.probe(kind)
    try:
        key = make(session, template)
    except PKCS11Error as error:
        if is_lost(error):  # it says nothing about what the token can do
            raise
        return refusals(session, template) or [f"the key's template gets {code_name(error)}"]
    try:
        wanted = {name: template[name] for name in _KEPT}
        return [f"CKA_{name.name} is not kept" for name, value in wanted.items() if read(key, name) != value]
    finally:
        key.destroy()


_KEPT = (Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.WRAP_WITH_TRUSTED, Attribute.COPYABLE)
"""Those that keep a key where it is, and that no later look can make up for."""


def make(session: Any, template: templates.Template) -> Any:
    """An AES-256 key by a template, and by nothing but it."""
    return session.generate_key(
        KeyType.AES,
        templates.AES_KEY_BYTES * 8,
        store=bool(template[Attribute.TOKEN]),
        capabilities=templates.CONVERSION_CAPABILITIES,
        mechanism=Mechanism.AES_KEY_GEN,
        template=template,
    )


def refusals(session: Any, template: templates.Template) -> list[str]:
    """Which attributes of a template the token refuses, each tried by itself beside the bare ones, by its code."""
    codes: dict[str, list[str]] = {}
    for name, code in refused_attributes(session, template).items():
        codes.setdefault(code, []).append(f"CKA_{name.name}")
    return [f"{', '.join(names)} refused with {code}" for code, names in codes.items()]


def refused_attributes(session: Any, template: templates.Template) -> dict[Attribute, str]:
    """The same by attribute; none if not even the bare ones do. The keys that are made meanwhile are removed."""
    bare = {name: template[name] for name in _BARE if name in template}
    found: dict[Attribute, str] = {}
    if _code_of(session, bare):
        return found
    for name, value in template.items():
        if name not in bare and (code := _code_of(session, {**bare, name: value})):
            found[name] = code
    return found


_BARE = (
    Attribute.CLASS,
    Attribute.KEY_TYPE,
    Attribute.ID,
    Attribute.LABEL,
    Attribute.TOKEN,
    Attribute.PRIVATE,
    Attribute.SENSITIVE,
    Attribute.ENCRYPT,
)


def _code_of(session: Any, template: templates.Template) -> str | None:
    try:
        make(session, template).destroy()
    except PKCS11Error as error:
        return code_name(error)
    return None
