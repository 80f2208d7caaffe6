"""The file that a user writes: networks, and for the lab also the underlay and the nodes.

A file with anything wrong in it is refused whole; every complaint has its line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import ip_network

import yaml

from tulle.values import LabFile, Network, Node, Underlay

from . import tree
from .file_network import NOTHING_KNOWN, read_generation, read_network
from .problem import Path
from .reader import Complaints, Section
from .rules import problems
from .rules_address import canonical
from .snapshot import document_of, ordered
from .spelling import nearest, valid_name


def parse_file(
    text: str,
    name: str,
    nodes: Collection[str] | None = None,
    encapsulations: Collection[str] | None = None,
    exclusive: frozenset[str] = frozenset(),
    known: Mapping[str, Network] = NOTHING_KNOWN,
) -> LabFile:
    """The document in `text`; `name` is the file's name for errors.

    `nodes` are the known ones when the file itself lists none, `encapsulations` the known ones;
    None leaves references to them unchecked.  Of those that are `exclusive` a node speaks one at most.
    Ports of networks that are `known` keep what a file leaves out.
    InvalidInput carries `file:line` of each complaint.
    """
    return read_file(tree.parse_tree(text, name), Complaints(name), nodes, encapsulations, exclusive, known)


def read_file(
    root: tree.Tree,
    complaints: Complaints,
    nodes: Collection[str] | None = None,
    encapsulations: Collection[str] | None = None,
    exclusive: frozenset[str] = frozenset(),
    known: Mapping[str, Network] = NOTHING_KNOWN,
) -> LabFile:
    """The same from a tree."""
    section = Section(root, "the file", ("underlay", "nodes", "networks"), complaints)
    underlay = _underlay(section, complaints)
    own = _nodes(section, underlay, complaints, encapsulations, exclusive)
    there = {node.name for node in own} if own else nodes
    found = [_network(node, there, complaints, encapsulations, known) for node in section.items("networks")]
    _refuse_repeated(found, complaints)
    built_upon = {network.name: read_generation(node, complaints) for network, node in found}
    complaints.refuse()
    generations = {name: number for name, number in built_upon.items() if number is not None}
    networks = tuple(sorted((network for network, _ in found), key=lambda one: one.name))
    return LabFile(networks, own, underlay, generations)


def emit_file(document: LabFile) -> str:
    """The canonical text of a document; `parse_file` gives the same document back."""
    shown: dict[str, object] = {}
    if document.underlay is not None:
        shown["underlay"] = {"subnet": document.underlay.subnet, "mtu": document.underlay.mtu}
    if document.nodes:
        shown["nodes"] = [_node_document(node) for node in document.nodes]
    shown["networks"] = [_network_document(document, network) for network in document.networks]
    return yaml.safe_dump(shown, sort_keys=False, width=110)


def _network_document(document: LabFile, network: Network) -> dict[str, object]:
    made = document_of(network)
    number = document.generations.get(network.name)
    return made if number is None else {"name": made.pop("name"), "generation": number, **made}


def _node_document(node: Node) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": node.name,
        "address": node.address,
        "encapsulations": list(node.encapsulations),
    }
    return {**shown, "external": True} if node.external else shown


def _underlay(section: Section, complaints: Complaints) -> Underlay | None:
    node = section.child("underlay")
    if node is None:
        return None
    own = Section(node, "underlay", ("subnet", "mtu"), complaints)
    subnet = own.text("subnet")
    try:
        subnet = canonical(subnet, "network")
    except ValueError as error:
        message = f"underlay: a subnet such as 172.31.0.0/24 was expected, {subnet!r} came ({error})"
        complaints.add(own.line_of("subnet"), message)
        subnet = "172.31.0.0/24"
    return Underlay(subnet, own.integer("mtu", 1500, 576, 65535))


def _nodes(
    section: Section,
    underlay: Underlay | None,
    complaints: Complaints,
    encapsulations: Collection[str] | None,
    exclusive: frozenset[str],
) -> tuple[Node, ...]:
    sections = [
        Section(node, "node", ("name", "address", "encapsulations", "external"), complaints)
        for node in section.items("nodes")
    ]
    given = [_node_address(own, complaints) for own in sections]
    free = _free_addresses(underlay, {one for one in given if one})
    made: list[Node] = []
    for own, address in zip(sections, given, strict=True):
        node = _node(own, address or next(free, ""), complaints, encapsulations, exclusive)
        if node.address == "":
            complaints.add(own.line, "node: address is missing, and there is no underlay to take one from")
        if node.name in {other.name for other in made} or (
            node.address and node.address in {o.address for o in made}
        ):
            complaints.add(own.line, f"node: {node.name} ({node.address}) is here twice")
        made.append(node)
    return tuple(made)


def _node(
    own: Section,
    address: str,
    complaints: Complaints,
    encapsulations: Collection[str] | None,
    exclusive: frozenset[str],
) -> Node:
    name = own.text("name")
    if name and not valid_name(name):
        complaints.add(own.line_of("name"), f"node: a name of a-z, 0-9 and dash was expected, {name!r} came")
    return Node(name, address, _spoken(own, complaints, encapsulations, exclusive), own.boolean("external"))


def _spoken(
    own: Section, complaints: Complaints, known: Collection[str] | None, exclusive: frozenset[str]
) -> tuple[str, ...]:
    wanted, line = own.texts("encapsulations") or (), own.line_of("encapsulations")
    if not wanted:
        complaints.add(line, "node: encapsulations are missing, best first")
    for problem in order_problems(wanted, known):
        complaints.add(line, f"node: {problem}")
    if len(both := sorted(exclusive.intersection(wanted))) > 1:
        complaints.add(line, f"node: one of {' and '.join(both)} was expected, both came")
    return wanted


def order_problems(wanted: Sequence[str], known: Collection[str] | None) -> Iterator[str]:
    """What is wrong with encapsulations in an order of preference."""
    for one in wanted:
        if known is not None and one not in known:
            hint = nearest(one, known) or f"; known are {', '.join(sorted(known))}"
            yield f"unknown encapsulation {one!r}{hint}"
    if len(set(wanted)) < len(wanted):
        yield "an encapsulation is here twice"


def _node_address(own: Section, complaints: Complaints) -> str:
    text = own.optional_text("address")
    if text is None:
        return ""
    try:
        return canonical(text, "address")
    except ValueError as error:
        complaints.add(
            own.line_of("address"), f"node: an underlay address was expected, {text!r} came ({error})"
        )
        return ""


def _free_addresses(underlay: Underlay | None, taken: set[str]) -> Iterator[str]:
    """Underlay addresses that no node names, from the lowest on."""
    if underlay is None:
        return
    network = ip_network(underlay.subnet)
    for number in range(int(network[0]) + 1, int(network[-1])):
        address = str(type(network[0])(number))
        if address not in taken:
            yield address


def _network(
    node: tree.Tree,
    nodes: Collection[str] | None,
    complaints: Complaints,
    encapsulations: Collection[str] | None,
    known: Mapping[str, Network],
) -> tuple[Network, tree.Tree]:
    before = complaints.count
    network = read_network(node, complaints, known)
    for one in order_problems(network.encapsulations, encapsulations):
        complaints.add(_line(node, ("encapsulations",)), f"network {network.name}: {one}")
    for at, mirror in enumerate(network.mirrors):
        for one in order_problems((mirror.encapsulation,) if mirror.encapsulation else (), encapsulations):
            where = ("mirrors", at, "encapsulation")
            complaints.add(_line(node, where), f"network {network.name}: mirror {mirror.name}: {one}")
    if complaints.count == before:
        for problem in problems(network, nodes):
            complaints.add(_line(node, problem.path), f"network {network.name}: {problem.message}")
    return (ordered(network) if complaints.count == before else network), node


def _refuse_repeated(found: list[tuple[Network, tree.Tree]], complaints: Complaints) -> None:
    """What only the whole file can tell: networks of one name, and interfaces of one name in a namespace."""
    names: set[str] = set()
    places: set[tuple[str | None, str, str]] = set()
    for network, node in found:
        if network.name in names:
            complaints.add(node.line, f"the network name {network.name} is used twice")
        names.add(network.name)
        own = {
            (port.node, port.namespace, port.interface)
            for port in network.ports
            if port.namespace is not None
        }
        for _, namespace, interface in sorted(own & places, key=str):
            message = f"network {network.name}: another network has {interface} in namespace {namespace}"
            complaints.add(node.line, message)
        places |= own


def _line(node: tree.Tree, path: Path) -> int:
    """The line of what a path leads to, or of the nearest thing around it that is there."""
    for step in path:
        inner: tree.Tree | None = None
        if isinstance(node, tree.Mapping) and isinstance(step, str):
            inner = node.items.get(step)
        elif isinstance(node, tree.Sequence) and isinstance(step, int):
            inner = node.items[step] if step < len(node.items) else None
        if inner is None:
            break
        node = inner
    return node.line
