"""What can be read over the sockets: the domains of a role, the daemon's state, health and readiness."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from appliance.daemon.policy import RolePolicy
from appliance.daemon.service import Service
from appliance.daemon.wire import Reply, json_reply
from appliance.engine import tokens
from appliance.engine.places import Crew

_encode = msgspec.json.Encoder().encode


def ready(service: Service) -> Reply:
    """``/readyz``: 200 if conversions work now, else 503 and the code of what is in the way."""
    reason = service.unready
    if reason is None:
        return json_reply(b'{"ready":true}')
    return json_reply(_encode({"ready": False, "reason": reason}), 503)


def domains(policy: RolePolicy) -> Reply:
    """``/v1/domains``: what this role may convert, and nothing about what it may not."""
    rule, state = policy.rule, policy.state
    names = {name for pair in rule.pairs for name in pair}
    return json_reply(
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


def status(service: Service, role: str) -> Reply:
    """``/v1/status``: ledger, engines and audit log in a few facts."""
    state = service.in_force.state
    reason = service.unready
    return json_reply(
        _encode(
            {
                "ready": reason is None,
                "reason": reason,
                "role": role,
                "version": service.version,
                "ledger": {
                    "sequence": state.sequence,
                    "head": state.head,
                    "anchor": state.anchor,
                    "rehearsal": state.rehearsal,
                },
                "token": _named(service, service.config.token.label),
                "engines": {
                    "wanted": sum(token.processes for token in service.config.tokens),
                    "serving": [
                        {"pid": link.hello.pid, "numbers": link.answered, "token": link.hello.token.label}
                        for link in service.supervisor.serving
                    ],
                },
                "tokens": [_token(service, crew) for crew in service.supervisor.crews],
                "audit": _audit(service),
            }
        )
    )


def _named(service: Service, label: str) -> dict[str, object]:
    return {"label": label, "serial": tokens.serial_of(service.in_force.state, label)}


def _token(service: Service, crew: Crew) -> dict[str, object]:
    """One token: how many engines it should have and has, and why it is left out, if it is."""
    out = crew.left_out
    left_out = out and {
        "since": datetime.fromtimestamp(int(out.since), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": out.failure.reason,
        "for_good": out.for_good,
    }
    return {
        **_named(service, crew.places.label),
        "wanted": crew.places.processes,
        "serving": sum(not link.closing for link in crew.links),
        "left_out": left_out,
    }


def _audit(service: Service) -> dict[str, object]:
    signed = service.checkpointer.signed
    return {
        "available": service.audit.available,
        "records": service.audit.records,
        "signed": 0 if signed is None else signed.size,
        "cosigned": service.witnesses.size,
        "cosignature_age": service.witnesses.age(),
    }
