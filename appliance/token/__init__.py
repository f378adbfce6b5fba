"""The token: the only import of pkcs11 (docs/architecture.md)."""

from appliance.token.token import Token, TokenFacts

__all__ = ["Token", "TokenFacts"]
