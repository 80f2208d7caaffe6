"""Service insertion in a file: appliances, chains and mirrors."""

from __future__ import annotations

from typing import Final, cast, get_args

from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.values import Appliance, Chain, Match, Mirror, Network
from tulle.values.network import Direction, Fail, MirrorDirection

from . import tree
from .match import parse_match
from .reader import Complaints, Section
from .rules_address import canonical

INSERTION_KEYS: Final = ("appliances", "chains", "mirrors")
CHAIN_KEYS: Final = ("name", "direction", "switch", "port", "match", "fail", "appliances", "idle")
MIRROR_KEYS: Final = ("name", "direction", "switch", "port", "to", "remote", "encapsulation", "key")
KEY_MAX: Final = 0xFF_FFFF


def with_insertion(network: Network, section: Section, complaints: Complaints) -> Network:
    """The network with its appliances, chains and mirrors as the file says them."""
    return replace(
        network,
        appliances=tuple(_appliance(one, complaints) for one in section.items("appliances")),
        chains=tuple(_chain(one, complaints) for one in section.items("chains")),
        mirrors=tuple(_mirror(one, complaints) for one in section.items("mirrors")),
    )


def _appliance(node: tree.Tree, complaints: Complaints) -> Appliance:
    own = Section(node, "appliance", ("name", "in", "out"), complaints)
    return Appliance(own.text("name"), own.text("in"), own.optional_text("out"))


def _chain(node: tree.Tree, complaints: Complaints) -> Chain:
    own = Section(node, "chain", CHAIN_KEYS, complaints)
    return Chain(
        own.text("name"),
        cast(Direction, own.choice("direction", get_args(Direction))),
        _match(own, complaints),
        cast(Fail, own.choice("fail", get_args(Fail))),
        own.texts("appliances") or (),
        own.optional_text("switch"),
        own.optional_text("port"),
        own.boolean("idle"),
    )


def _mirror(node: tree.Tree, complaints: Complaints) -> Mirror:
    own = Section(node, "mirror", MIRROR_KEYS, complaints)
    return Mirror(
        own.text("name"),
        cast(MirrorDirection, own.choice("direction", get_args(MirrorDirection))),
        own.optional_text("switch"),
        own.optional_text("port"),
        own.optional_text("to"),
        _usual(own.optional_text("remote")),
        own.optional_text("encapsulation") or "",
        own.integer("key", 0, 0, KEY_MAX),
    )


def _match(own: Section, complaints: Complaints) -> Match:
    text = own.text("match")
    try:
        return parse_match(text) if text else Match()
    except InvalidInput as error:
        complaints.add(own.line_of("match"), f"chain: {error.message}")
        return Match()


def _usual(text: str | None) -> str | None:
    """What is malformed stays, for the rules to refuse."""
    try:
        return None if text is None else canonical(text, "address")
    except ValueError:
        return text
