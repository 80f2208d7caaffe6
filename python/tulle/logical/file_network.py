"""One network of a file, section by section: shapes only, contradictions are for `rules`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast, get_args

from tulle.errors import InvalidInput
from tulle.values import (
    Acl,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Match,
    Network,
    RouterPort,
)
from tulle.values.network import AclAction, Direction

from . import tree
from .file_insertion import INSERTION_KEYS, with_insertion
from .file_layer2 import PORT_LAYER2_KEYS, SWITCH_LAYER2_KEYS, with_layer2, with_place_at_parent
from .file_policy import ACL_POLICY_KEYS, POLICY_KEYS, with_acl_policy, with_policy
from .file_qos import with_qos
from .file_routing import ROUTING_KEYS, with_routing
from .file_services import (
    NETWORK_SERVICE_KEYS,
    SWITCH_SERVICE_KEYS,
    with_advertisements,
    with_configure,
    with_dhcp,
    with_services,
)
from .file_translation import TRANSLATION_KEYS, read_balancers, read_nat
from .fill import derived_mac, with_addresses, with_service_addresses
from .match import parse_match
from .reader import Complaints, Section
from .rules_acl import PRIORITY_MAX
from .rules_address import canonical

NETWORK_KEYS = (
    "name",
    "generation",
    "paused",
    "encapsulations",
    "switches",
    "routers",
    "ports",
    "acls",
    *POLICY_KEYS,
    *TRANSLATION_KEYS,
    *NETWORK_SERVICE_KEYS,
    *INSERTION_KEYS,
)
GENERATION_MAX = 999_999_999
NOTHING_KNOWN: Final[Mapping[str, Network]] = MappingProxyType({})
PORT_KEYS = (
    "name",
    "switch",
    "node",
    "mac",
    "addresses",
    "namespace",
    "interface",
    "port_security",
    "configure",
    "qos",
    *PORT_LAYER2_KEYS,
)
ACL_KEYS = ("name", "direction", "switch", "port", "priority", "match", "action", *ACL_POLICY_KEYS)


def read_network(
    node: tree.Tree, complaints: Complaints, known: Mapping[str, Network] = NOTHING_KNOWN
) -> Network:
    """The network that a mapping describes, with what it leaves out filled in.

    Ports of a network that is `known` keep what was filled in before.
    """
    own = Section(node, "network", NETWORK_KEYS, complaints)
    reader = _NetworkReader(own.text("name"), complaints)
    network = Network(
        reader.name,
        tuple(reader.switch(one) for one in own.items("switches")),
        tuple(reader.router(one) for one in own.items("routers")),
        tuple(reader.port(one) for one in own.items("ports")),
        tuple(reader.acl(one) for one in own.items("acls")),
        encapsulations=own.texts("encapsulations") or (),
        paused=own.boolean("paused"),
        load_balancers=read_balancers(own, complaints),
    )
    before = known.get(network.name)
    filled = with_addresses(with_services(network, own, complaints), reader.without_addresses, before)
    filled = with_policy(with_service_addresses(filled, before), own, complaints)
    return with_insertion(filled, own, complaints)


def read_generation(node: tree.Tree, complaints: Complaints) -> int | None:
    """Of which generation a network was exported, where the file says so: what the change builds upon."""
    own = Section(node, "network", NETWORK_KEYS, complaints)
    return own.integer("generation", 0, 0, GENERATION_MAX) if own.child("generation") is not None else None


class _NetworkReader:
    def __init__(self, name: str, complaints: Complaints) -> None:
        self.name = name
        self.without_addresses: set[str] = set()
        self._complaints = complaints

    def switch(self, node: tree.Tree) -> LogicalSwitch:
        own = self._section(node, "switch", ("name", "subnets", *SWITCH_SERVICE_KEYS, *SWITCH_LAYER2_KEYS))
        made = LogicalSwitch(own.text("name"), _usual(own.texts("subnets"), "network"))
        return with_layer2(with_dhcp(made, own, self._complaints), own, self._complaints)

    def router(self, node: tree.Tree) -> LogicalRouter:
        own = self._section(node, "router", ("name", "ports", "nat", *ROUTING_KEYS))
        name = own.text("name")
        ports = tuple(self._router_port(name, one) for one in own.items("ports"))
        made = LogicalRouter(name, ports, nat=read_nat(own, self._complaints))
        return with_routing(made, own, self._complaints)

    def port(self, node: tree.Tree) -> LogicalPort:
        own = self._section(node, "port", PORT_KEYS)
        name, addresses = own.text("name"), own.texts("addresses")
        if addresses is None:
            self.without_addresses.add(name)
        made = LogicalPort(
            name,
            own.text("switch"),
            self._mac(own, name),
            _usual(addresses, "address"),
            own.optional_text("node"),
            own.optional_text("namespace"),
            own.optional_text("interface") or "tap",
            own.boolean("port_security"),
        )
        return with_qos(with_place_at_parent(with_configure(made, own), own), own, self._complaints)

    def acl(self, node: tree.Tree) -> Acl:
        own = self._section(node, "acl", ACL_KEYS)
        acl = Acl(
            own.text("name"),
            cast(Direction, own.choice("direction", ("from-port", "to-port"))),
            own.integer("priority", None, 1, PRIORITY_MAX),
            self._match(own),
            cast(AclAction, own.choice("action", get_args(AclAction))),
            own.optional_text("switch"),
            own.optional_text("port"),
        )
        return with_acl_policy(acl, own)

    def _router_port(self, router: str, node: tree.Tree) -> RouterPort:
        own = self._section(node, "router port", ("name", "switch", "mac", "addresses", "ra"))
        switch = own.text("switch")
        name = own.optional_text("name") or f"{router}-{switch}"
        addresses = _usual(own.texts("addresses"), "interface")
        made = RouterPort(name, switch, self._mac(own, f"{router}/{name}"), addresses)
        return with_advertisements(made, own)

    def _mac(self, own: Section, name: str) -> str:
        given = own.optional_text("mac")
        return derived_mac(f"{self.name}/{name}") if given is None else given.lower()

    def _match(self, own: Section) -> Match:
        text = own.text("match")
        try:
            return parse_match(text) if text else Match()
        except InvalidInput as error:
            self._complaints.add(own.line_of("match"), f"acl: {error.message}")
            return Match()

    def _section(self, node: tree.Tree, what: str, known: Sequence[str]) -> Section:
        return Section(node, what, known, self._complaints)


def _usual(texts: Sequence[str] | None, kind: str) -> tuple[str, ...]:
    """Addresses in their usual spelling; what is malformed stays, for the rules to refuse."""
    return tuple(_usual_one(text, kind) for text in texts or ())


def _usual_one(text: str, kind: str) -> str:
    try:
        return canonical(text, kind)
    except ValueError:
        return text
