"""What can be read over the sockets: the domains of a role, the daemon's state, health and readiness."""

from __future__ import annotations

import msgspec
from aiohttp import web

from appliance.daemon.policy import RolePolicy
from appliance.daemon.service import Service
from appliance.daemon.wire import json_response

_encode = msgspec.json.Encoder().encode


def ready(service: Service) -> web.Response:
    """``/readyz``: 200 if conversions work now, else 503 and the code of what is in the way."""
    reason = service.unready
    if reason is None:
        return json_response(b'{"ready":true}')
    return json_response(_encode({"ready": False, "reason": reason}), 503)


def domains(policy: RolePolicy) -> web.Response:
    """``/v1/domains``: what this role may convert, and nothing about what it may not."""
    rule, state = policy.rule, policy.state
    names = {name for pair in rule.pairs for name in pair}
    return json_response(
        _encode(
            {
                "role": policy.role,
                "domains": [_domain(policy, domain.name) for domain in state.tree if domain.name in names],
                "pairs": [{"source": source, "target": target} for source, target in rule.pairs],
                "purposes": rule.purposes,
                "limits": {
                    "values_per_request": rule.values_per_request,
                    "values_per_stream": rule.values_per_stream,
                    "values_per_minute": rule.values_per_minute,
                },
            }
        )
    )


def _domain(policy: RolePolicy, name: str) -> dict[str, object]:
    state = policy.state
    form = state.tree[name].format
    current = state.current.get(name)
    return {
        "name": name,
        "title": state.titles.get(name, ""),
        "current": None if current is None else str(current),
        "format": {"alphabet": form.alphabet, "length": form.length, "check": form.check},
        "generations": [
            {"generation": str(generation), "state": record.state.value}
            for generation, record in sorted(state.keys.items())
            if generation.domain == name
        ],
    }


def status(service: Service, role: str) -> web.Response:
    """``/v1/status``: ledger, engines and audit log in a few facts."""
    state = service.in_force.state
    reason = service.unready
    return json_response(
        _encode(
            {
                "ready": reason is None,
                "reason": reason,
                "role": role,
                "version": service.version,
                "ledger": {"sequence": state.sequence, "head": state.head, "rehearsal": state.rehearsal},
                "token": {"label": state.token_label, "serial": state.token_serial},
                "engines": {
                    "wanted": service.config.engine.processes,
                    "serving": [
                        {"pid": link.hello.pid, "numbers": link.answered} for link in service.supervisor.serving
                    ],
                },
                "audit": _audit(service),
            }
        )
    )


def _audit(service: Service) -> dict[str, object]:
    signed = service.checkpointer.signed
    return {
        "available": service.audit.available,
        "records": service.audit.records,
        "signed": 0 if signed is None else signed.size,
        "cosigned": service.witnesses.size,
        "cosignature_age": service.witnesses.age(),
    }
