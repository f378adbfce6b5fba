"""The token: the only import of pkcs11 (docs/architecture.md)."""

from appliance.token.objects import ObjectFacts
from appliance.token.token import Token, TokenFacts

__all__ = ["ObjectFacts", "Token", "TokenFacts"]
