"""Which appliance belongs to this node, and what does its answer mean for the job?

The socket's path is a fact about the machine that a partition runs on, so it comes from that machine
(``KAGIMORI_SOCKET`` in the worker's environment) and never from the job: a job that could name it would reach any
socket that the worker may open.
"""

from __future__ import annotations

import io
import os
import socket
import time

from appliance.cluster.errors import ApplianceAway, ClusterError, ConversionRefused, JobRefused
from appliance.cluster.terms import Terms
from appliance.hubkit import (
    AnswerTimeout,
    Client,
    ConnectionLost,
    DaemonUnreachable,
    HubkitError,
    Refused,
    Retry,
    StreamBroken,
)
from appliance.hubkit.errors import MAY_PASS
from appliance.hubkit.streaming import ConvertedStream

VARIABLE = "KAGIMORI_SOCKET"
TIMEOUT = 30.0  # seconds in which nothing moves, a minute for rate limits not counted
RETRY = Retry(attempts=3, longest_wait=2.0)  # while nothing was converted yet


def socket_path() -> str:
    """Where this node's appliance listens.

    Raises:
        JobRefused: the worker was started without being told. Fail closed: nothing is guessed.
    """
    path = os.environ.get(VARIABLE, "")
    if not path:
        raise JobRefused(
            f"the worker on {socket.gethostname()} does not know its appliance",
            f"start it with {VARIABLE}=PATH of your role's socket in its environment",
        )
    return path


def ready(path: str) -> bool:
    """Whether the appliance would convert now."""
    with Client(path, timeout=TIMEOUT) as client:
        return client.ready()


def ask(terms: Terms, lines: io.BytesIO) -> bytes:
    """The answer of this node's appliance to lines, whole.

    Raises:
        ApplianceAway: it does not serve at present. ConversionRefused: it would refuse it again.
        JobRefused: no socket is known here.
    """
    try:
        with Client(socket_path(), timeout=TIMEOUT) as client, _begun(client, terms, lines) as stream:
            _check_pinned(stream, terms)
            return b"".join(stream.blocks())
    except HubkitError as error:
        raise meaning(error) from None


def _begun(client: Client, terms: Terms, lines: io.BytesIO) -> ConvertedStream:
    """A stream that the appliance has accepted; asked again after a pause when it is busy."""
    attempt = 1
    while True:
        lines.seek(0)
        try:
            return client.convert_stream(
                terms.source,
                terms.target,
                lines,
                purpose=terms.purpose,
                reference=terms.reference,
                order=terms.order,
            )
        except (DaemonUnreachable, Refused) as error:
            attempt += 1
            time.sleep(RETRY.wait_or_raise(error, attempt))


def _check_pinned(stream: ConvertedStream, terms: Terms) -> None:
    if (stream.source, stream.target) != (terms.source, terms.target):
        raise ConversionRefused(
            f"the appliance on {socket.gethostname()} answers {stream.source} → {stream.target}, "
            f"not {terms.source} → {terms.target}"
        )


def meaning(error: HubkitError) -> ClusterError:
    """What an error of the appliance means for the job: away (another node may do it), or refused."""
    where = f"the appliance on {socket.gethostname()}"
    code = error.code if isinstance(error, Refused | StreamBroken) else ""
    if code in MAY_PASS or isinstance(error, DaemonUnreachable | ConnectionLost | AnswerTimeout):
        return ApplianceAway(f"{where} does not serve: {error.message}", error.hint)
    return ConversionRefused(f"{where} refuses: {error.message}", error.hint)
