"""What the document of a network leaves out: what policies are when nobody says anything of them."""

from __future__ import annotations

from typing import Any, Final

Document = dict[str, Any]
NETWORK_DEFAULTS: Final[Document] = {
    "port_groups": [],
    "address_sets": [],
    "default_deny": [],
    "appliances": [],
    "chains": [],
    "mirrors": [],
}
PORT_DEFAULTS: Final[Document] = {"port_security": False}
ACL_DEFAULTS: Final[Document] = {"tier": 0, "log": 0, "audit": False}


def without_defaults(document: Document) -> Document:
    """The same document, shorter; its ports and ACLs too."""
    made = _without(document, NETWORK_DEFAULTS)
    made["ports"] = [_without(port, PORT_DEFAULTS) for port in document["ports"]]
    made["acls"] = [_without(acl, ACL_DEFAULTS) for acl in document["acls"]]
    return made


def _without(document: Document, defaults: Document) -> Document:
    return {key: value for key, value in document.items() if key not in defaults or value != defaults[key]}
