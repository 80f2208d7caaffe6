"""Whether a port reaches another and what decides it: the model's answer beside that of the switches.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from tulle.errors import InvalidInput, NotFound
from tulle.logical import Delivery, Service, nearest
from tulle.values import LogicalPort, Network

Document = dict[str, Any]
_DECIDING = (
    "acl ",
    "balancer ",
    "chain ",
    "default ",
    "forwarding ",
    "limit ",
    "nat ",
    "network ",
    "policy ",
    "port security ",
    "route ",
)


def find_port(network: Network, name: str) -> LogicalPort:
    """A port by its name; raises NotFound."""
    for port in network.ports:
        if port.name == name:
            return port
    names = {port.name for port in network.ports}
    raise NotFound(f"no port {name!r} in network {network.name}{nearest(name, names)}")


def with_device(network: Network, name: str) -> LogicalPort:
    """The same, of a port whose packets can be listened to by themselves; raises InvalidInput."""
    port = find_port(network, name)
    if port.parent is not None:
        raise InvalidInput(f"port {name} shares the device of its parent {port.parent}; listen to that one")
    return port


def questions(
    network: Network, source: str, target: str, services: tuple[Service, ...]
) -> Iterator[tuple[Service, str]]:
    """What to trace from the source, in the ACLs' words, for each family in which both have an address."""
    own = {ip_address(one).version for one in find_port(network, source).addresses}
    theirs: dict[int, str] = {}
    for one in find_port(network, target).addresses:
        theirs.setdefault(ip_address(one).version, one)
    for service in services:
        if service.version in own and service.version in theirs:
            yield service, _match(service, theirs[service.version])


def verdict(
    network: Network,
    source: str,
    target: str,
    service: Service,
    traced: Mapping[str, Any],
    outside: str | None = None,
) -> Document:
    """{"version", "service", "reaches", "model", "agrees", "by": [names], "said": sentence}.

    `outside` is the node of a target at which nobody can be asked: there, what leaves by the tunnel counts.
    """
    reaches = arrived(traced, f"{network.name}/{target}", outside)
    model = Delivery(network).delivers(source, target, service)
    return {
        "version": service.version,
        "service": service.label,
        "reaches": reaches,
        "model": model,
        "agrees": reaches == model,
        "by": deciders(traced),
        "said": "arrives" if reaches else _end(traced),
    }


def arrived(traced: Mapping[str, Any], port: str, outside: str | None = None) -> bool:
    """Whether a trace ends at a port (`network/port`), or in the tunnel to the node `outside`."""
    outputs = [one for half in traced["halves"] for one in half.get("outputs", ())]
    if outside is not None:
        return any(one.get("node") == outside for one in outputs)
    return any(one.get("port") == port for one in outputs)


def deciders(traced: Mapping[str, Any]) -> list[str]:
    """The rules that had a say, in the order in which they were met; `default red/web` is where no rule spoke."""
    owners = (step.get("owner", "") for half in traced["halves"] for step in half.get("steps", ()))
    return list(dict.fromkeys(owner for owner in owners if owner.startswith(_DECIDING)))


def _end(traced: Mapping[str, Any]) -> str:
    """Where and why it ended elsewhere."""
    last = traced["halves"][-1]
    where = f"at {last['node']}"
    if "failed" in last:
        return f"was not traced further {where}: {last['failed']}"
    owner = next((step["owner"] for step in reversed(last.get("steps", ())) if step.get("owner")), "")
    by = f" by {owner}" if owner else ""
    if reasons := last.get("punts"):
        return f"is answered {where}{by}: {', '.join(reasons)}"
    if reasons := last.get("drops"):
        return f"is dropped {where}{by}: {', '.join(reasons)}"
    if outputs := last.get("outputs"):
        names = ", ".join(one.get("port") or f"the tunnel to {one.get('node')}" for one in outputs)
        return f"goes elsewhere: {names}"
    return f"ends {where}{by}"


def _match(service: Service, address: str) -> str:
    if service.protocol in ("tcp", "udp"):
        source = f",sport={service.sport}" if service.sport else ""
        return f"{service.protocol},dst={address}{source},dport={service.dport}"
    return f"{service.protocol},dst={address},type={service.kind},code={service.code}"
