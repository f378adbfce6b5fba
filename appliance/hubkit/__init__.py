"""The hub kit: a typed client of the daemon, and the two flows of the scheme as readable code.

It talks HTTP over a Unix socket and needs no token, no key and no ledger. `Client` (and
`appliance.hubkit.aioclient.AsyncClient`) convert numbers; `register`, `numbering`, `linking`,
`sector` and `exchange` show what the scheme's parties do with them.
"""

from appliance.hubkit.client import Client
from appliance.hubkit.errors import (
    AnswerTimeout,
    ConnectionLost,
    DaemonUnreachable,
    HistoryUnproven,
    HubkitError,
    NumberRefused,
    ProtocolError,
    Refused,
    StreamBroken,
)
from appliance.hubkit.history import Cosigned, History, PastConversion, verify_cosigned, verify_history
from appliance.hubkit.wire import Conversion, Converted, Failed, Result, Retry

__all__ = [
    "AnswerTimeout",
    "Client",
    "ConnectionLost",
    "Conversion",
    "Converted",
    "Cosigned",
    "DaemonUnreachable",
    "Failed",
    "History",
    "HistoryUnproven",
    "HubkitError",
    "NumberRefused",
    "PastConversion",
    "ProtocolError",
    "Refused",
    "Result",
    "Retry",
    "StreamBroken",
    "verify_cosigned",
    "verify_history",
]
