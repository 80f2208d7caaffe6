"""Policies of routers and markings of ports as a document has them: with the text of what they match."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tulle.values import LogicalPort, Network

from .match import emit_match

Document = dict[str, Any]


def routed_document(network: Network, document: Document) -> None:
    """Write the matches of a network, whose members are in order, into its document."""
    for router, shown in zip(network.routers, document["routers"], strict=True):
        for policy, own in zip(router.policies, shown["policies"], strict=True):
            own["match"] = emit_match(policy.match)
            if not policy.next_hops:
                del own["next_hops"]
    for port, shown in zip(network.ports, document["ports"], strict=True):
        if port.qos is not None:
            shown["qos"] = qos_document(port)


def qos_document(port: LogicalPort) -> Document | None:
    """What a port is held to, None where that is nothing."""
    if port.qos is None:
        return None
    made: Document = msgspec.to_builtins(port.qos)
    for marking, own in zip(port.qos.markings, made.get("markings", ()), strict=True):
        own["match"] = emit_match(marking.match)
    for rate in (made[one] for one in ("from_port", "to_port") if one in made):
        if not rate["burst_kbit"]:
            del rate["burst_kbit"]
    return made


def with_matches(document: Mapping[str, Any], read: Callable[[object], Document]) -> Document:
    """The document with matches, as `read` gives them, in place of their texts."""
    routers = [_with(one, "policies", read) for one in document.get("routers", ())]
    ports = [
        {**one, "qos": _with(one["qos"], "markings", read)} if one.get("qos") is not None else one
        for one in document.get("ports", ())
    ]
    return {**document, "routers": routers, "ports": ports}


def _with(owner: Document, key: str, read: Callable[[object], Document]) -> Document:
    if not owner.get(key):
        return owner
    return {**owner, key: [{**one, "match": read(one["match"])} for one in owner[key]]}
