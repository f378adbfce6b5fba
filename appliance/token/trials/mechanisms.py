"""Which mechanisms a token lists, for which use, and for keys of which size (C_GetMechanismInfo)."""

from __future__ import annotations

from pkcs11 import Mechanism, MechanismFlag

from appliance.token import features
from appliance.token.trials.bench import Bench
from appliance.token.trials.findings import Differs, Missing
from appliance.token.trials.registry import TRIALS, Trial

_USES: dict[str, tuple[Mechanism, MechanismFlag]] = {
    "mechanism.aes-key-gen": features.CONVERSION.making[0],
    "mechanism.aes-ecb": features.CONVERSION.using[0],
    "mechanism.ec-key-pair-gen": features.IDENTITY.making[0],
    "mechanism.ecdsa": features.IDENTITY.using[0],
    "mechanism.ec-edwards-key-pair-gen": features.LOG.making[0],
    "mechanism.eddsa": features.LOG.using[0],
    "mechanism.rsa-key-pair-gen": features.TRANSPORT.making[0],
    "mechanism.oaep-wrap": features.BACKUP.using[0],
    "mechanism.oaep-unwrap": features.TRANSPORT.using[0],
    "mechanism.sha256": (Mechanism.SHA256, MechanismFlag.DIGEST),
    "mechanism.sha256-rsa": (Mechanism.SHA256_RSA_PKCS, MechanismFlag.SIGN),
}


def _listed(mechanism: Mechanism, flag: MechanismFlag) -> Trial:
    def look(bench: Bench) -> str:
        slot = bench.session.token.slot
        if mechanism not in slot.get_mechanisms():
            raise Missing(f"CKM_{mechanism.name} is not in C_GetMechanismList")
        found = slot.get_mechanism_info(mechanism)
        sizes = f"keys of {found.min_key_length} to {found.max_key_length}" if found.max_key_length else "no key sizes"
        if not found.flags & flag:
            raise Differs(f"CKM_{mechanism.name} is listed, but without CKF_{flag.name}")
        return f"CKM_{mechanism.name}, CKF_{flag.name}; {sizes}"

    return look


TRIALS.update({name: _listed(*use) for name, use in _USES.items()})
