"""Appliances, chains and mirrors as a document has them: without what nobody says anything of."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tulle.values import Network

from .match import emit_match

Document = dict[str, Any]
DEFAULTS: Final[Document] = {"idle": False, "encapsulation": "", "key": 0}


def insertion_documents(network: Network) -> Document:
    """The lists of a network whose members are in order."""
    chains = [
        {**_shorter(msgspec.to_builtins(one)), "match": emit_match(one.match)} for one in network.chains
    ]
    mirrors = [_shorter(msgspec.to_builtins(one)) for one in network.mirrors]
    return {
        "appliances": [_shorter(msgspec.to_builtins(one)) for one in network.appliances],
        "chains": chains,
        "mirrors": mirrors,
    }


def _shorter(document: Document) -> Document:
    return {
        key: value
        for key, value in document.items()
        if value is not None and (key not in DEFAULTS or value != DEFAULTS[key])
    }
