"""Rules about appliances, chains and mirrors: what is not there, what would loop, what contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import combinations
from typing import Final

from tulle.errors import InvalidInput
from tulle.values import Chain, Match, Mirror, Network

from .chains import MATCH_FLOWS_MAX, mirrored
from .match import emit_match, is_reference, overlap, parse_match
from .problem import Path, Problem, repeated
from .references import References
from .rules_policy import KINDS
from .spelling import nearest

INSERTION_SPACES: Final = ("appliance", "chain", "mirror")
KEY_MAX: Final = 0xFF_FFFF
DIRECTIONS: Final = ("from-port", "to-port")


def insertion_names(network: Network) -> Iterator[tuple[Path, str, str]]:
    """(path, name space, name) of appliances, chains and mirrors."""
    for list_name, space in zip(("appliances", "chains", "mirrors"), INSERTION_SPACES, strict=True):
        for at, one in enumerate(getattr(network, list_name)):
            yield (list_name, at, "name"), space, one.name


def insertion_references(network: Network) -> Iterator[Problem]:
    """Names that are not there, and places that are none."""
    ports = {port.name for port in network.ports}
    appliances = {one.name for one in network.appliances}
    for at, appliance in enumerate(network.appliances):
        for key, port in (("in", appliance.inlet), ("out", appliance.outlet)):
            if port is not None and port not in ports:
                message = f"appliance {appliance.name}: unknown port {port!r}{nearest(port, ports)}"
                yield Problem(("appliances", at, key), message)
    for at, chain in enumerate(network.chains):
        yield from _place(network, ("chains", at), f"chain {chain.name}", chain)
        for name in chain.appliances:
            if name not in appliances:
                message = f"chain {chain.name}: unknown appliance {name!r}{nearest(name, appliances)}"
                yield Problem(("chains", at, "appliances"), message)
        yield from _match_references(network, at, chain)
    for at, mirror in enumerate(network.mirrors):
        yield from _place(network, ("mirrors", at), f"mirror {mirror.name}", mirror)
        if mirror.to is not None and mirror.to not in ports:
            message = f"mirror {mirror.name}: unknown port {mirror.to!r}{nearest(mirror.to, ports)}"
            yield Problem(("mirrors", at, "to"), message)


def insertion_problems(network: Network) -> list[Problem]:
    """All that is wrong with services whose names are right."""
    return [
        *_appliance_problems(network),
        *_shared_appliances(network),
        *_loops(network),
        *_chain_problems(network),
        *_mirror_problems(network),
    ]


def _place(network: Network, path: Path, what: str, one: Chain | Mirror) -> Iterator[Problem]:
    switches, ports = {switch.name for switch in network.switches}, {port.name for port in network.ports}
    if (one.switch is None) == (one.port is None):
        yield Problem(path, f"{what}: either a switch or a port was expected")
    elif one.switch is not None and one.switch not in switches:
        message = f"{what}: unknown switch {one.switch!r}{nearest(one.switch, switches)}"
        yield Problem((*path, "switch"), message)
    elif one.port is not None and one.port not in ports:
        yield Problem((*path, "port"), f"{what}: unknown port {one.port!r}{nearest(one.port, ports)}")


def _match_references(network: Network, at: int, chain: Chain) -> Iterator[Problem]:
    known = {
        "$": {one.name for one in network.address_sets},
        "@": {group.name for group in network.port_groups},
    }
    for text in (chain.match.src, chain.match.dst):
        if text is not None and is_reference(text) and text[1:] not in known[text[0]]:
            what, hint = KINDS[text[0]], nearest(text[1:], known[text[0]])
            yield Problem(("chains", at, "match"), f"chain {chain.name}: unknown {what} {text[1:]!r}{hint}")


def _appliance_problems(network: Network) -> Iterator[Problem]:
    """An appliance bridges its ports, so nothing else may be in a broadcast domain with one of them."""
    ports = {port.name: port for port in network.ports}
    used = [
        (("appliances", at, "in" if port == one.inlet else "out"), port)
        for at, one in enumerate(network.appliances)
        for port in one.ports
    ]
    yield from repeated("of appliances, the port", used)
    own = {name for _, name in used}
    shared = {port.switch for port in network.ports if port.name not in own}
    shared |= {port.switch for router in network.routers for port in router.ports}
    for at, one in enumerate(network.appliances):
        path: Path = ("appliances", at)
        for name in one.ports:
            if (switch := ports[name].switch) in shared:
                needed = "appliances need a switch of their own, without other ports and routers"
                yield Problem(path, f"appliance {one.name}: port {name} is on switch {switch}; {needed}")


def _shared_appliances(network: Network) -> Iterator[Problem]:
    """What comes out of an appliance says only where: it can be of one chain, and once."""
    members = [
        (("chains", at, "appliances"), name)
        for at, chain in enumerate(network.chains)
        for name in chain.appliances
    ]
    seen: dict[str, Path] = {}
    for path, name in members:
        if name in seen:
            where = "twice in one chain" if seen[name] == path else "in two chains"
            yield Problem(path, f"appliance {name} is {where}: a packet could go round in a loop")
        seen[name] = path


def _loops(network: Network) -> Iterator[Problem]:
    """A chain at an appliance, or copies of copies."""
    owners = {port: one.name for one in network.appliances for port in one.ports}
    switches = {port.switch: owners[port.name] for port in network.ports if port.name in owners}
    for at, chain in enumerate(network.chains):
        owner = owners.get(chain.port or "") or switches.get(chain.switch or "")
        if owner is not None:
            message = f"chain {chain.name}: it is at appliance {owner}, which would make a loop"
            yield Problem(("chains", at, "switch" if chain.port is None else "port"), message)
    targets = {mirror.to: mirror.name for mirror in network.mirrors if mirror.to is not None}
    for at, mirror in enumerate(network.mirrors):
        if mirror.port is not None and mirror.port in targets:
            message = (
                f"mirror {mirror.name}: port {mirror.port} gets the copies of mirror {targets[mirror.port]}"
            )
            yield Problem(("mirrors", at, "port"), f"{message}: a loop")
        if mirror.to in owners:
            message = f"mirror {mirror.name}: port {mirror.to} is of appliance {owners[mirror.to or '']}"
            yield Problem(("mirrors", at, "to"), message)


def _chain_problems(network: Network) -> Iterator[Problem]:
    references = References(network)
    for at, chain in enumerate(network.chains):
        path: Path = ("chains", at)
        if not chain.appliances:
            yield Problem((*path, "appliances"), f"chain {chain.name}: at least one appliance was expected")
        if chain.direction not in DIRECTIONS or chain.fail not in ("open", "closed"):
            yield Problem(path, f"chain {chain.name}: unknown direction or way to fail")
        if parse_error := _malformed(chain.match):
            yield Problem((*path, "match"), f"chain {chain.name}: {parse_error}")
            continue
        flows = references.size(chain.match.src) * references.size(chain.match.dst)
        if flows > MATCH_FLOWS_MAX:
            message = f"chain {chain.name}: at most {MATCH_FLOWS_MAX} pairs of addresses were expected"
            yield Problem((*path, "match"), f"{message}, the match has {flows}")
        if chain.switch is not None and not _tells_directions(references, chain.match):
            message = f"chain {chain.name}: at a switch, a packet between two of its ports would pass twice"
            needed = "a match is needed that its answers do not fit, by a port number or by src and dst"
            yield Problem((*path, "match"), f"{message}; {needed}")
    yield from _contradictions(network, references)


def _malformed(match: Match) -> str:
    try:
        same = parse_match(emit_match(match)) == match
    except InvalidInput as error:
        return error.message
    return "" if same else f"{emit_match(match)!r} is not the usual spelling"


def _tells_directions(references: References, match: Match) -> bool:
    """Whether packets differ from their answers, those aside whose two port numbers are the same."""
    if match.sport != match.dport or match.icmp_type != mirrored(match).icmp_type:
        return True
    if match.src is None or match.dst is None:
        return False
    return not references.meet(match.src, match.dst)


def _contradictions(network: Network, references: References) -> Iterator[Problem]:
    for (_, one), (at, other) in combinations(enumerate(network.chains), 2):
        same = (one.switch, one.port, one.direction) == (other.switch, other.port, other.direction)
        if same and overlap(one.match, other.match, references.meet):
            message = f"chains {one.name} and {other.name} want the same packets at the same place"
            yield Problem(
                ("chains", at, "match"), f"{message}; one chain with the appliances of both is meant?"
            )


def _mirror_problems(network: Network) -> Iterator[Problem]:
    for at, mirror in enumerate(network.mirrors):
        path: Path = ("mirrors", at)
        if (mirror.to is None) == (mirror.remote is None):
            yield Problem(
                path, f"mirror {mirror.name}: either `to` (a port) or `remote` (an address) was expected"
            )
        if mirror.direction not in (*DIRECTIONS, "both"):
            yield Problem(path, f"mirror {mirror.name}: unknown direction")
        if (mirror.remote is None) != (not mirror.encapsulation):
            message = f"mirror {mirror.name}: `remote` and `encapsulation` were expected together"
            yield Problem((*path, "encapsulation"), message)
        if not 0 <= mirror.key <= KEY_MAX:
            message = f"mirror {mirror.name}: a key from 0 to {KEY_MAX} was expected, {mirror.key} came"
            yield Problem((*path, "key"), message)
        yield from _collector(path, mirror)


def _collector(path: Path, mirror: Mirror) -> Iterator[Problem]:
    try:
        if mirror.remote is not None and str(ip_address(mirror.remote)) != mirror.remote:
            raise ValueError("not the usual spelling")
    except ValueError as error:
        message = f"mirror {mirror.name}: an address was expected, {mirror.remote!r} came ({error})"
        yield Problem((*path, "remote"), message)
