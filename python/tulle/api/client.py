"""A client of the controller: one method a question or change; answers are plain dicts and lists.

Every method raises the TulleError that the controller names.  With `wait`, a change returns when every
node has applied it.  It keeps no connection, so a controller that comes back is simply there again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import orjson

from .place import api_socket
from .transport import request, request_bytes

REQUEST_S: Final = 30.0
BACKUP_S: Final = 300.0
WAIT_S: Final = 30.0
Document = dict[str, Any]


def connect(path: str | Path | None = None) -> Client:
    """A client of the controller at `path`, or where `place.api_socket` finds one."""
    return Client(Path(path) if path is not None else api_socket(os.environ))


class Client:
    """Talks to one controller."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return

    def apply(
        self,
        text: str,
        filename: str = "input",
        *,
        wait: bool = False,
        dry_run: bool = False,
        timeout_s: float = WAIT_S,
    ) -> Document:
        """Make the networks as in the text of a file: {"changes": [...], "generations": {network: n}}."""
        body = {"text": text, "filename": filename, "dry_run": dry_run}
        return self._changed("/v1/apply", body, wait and not dry_run, timeout_s)

    def wait(self, generations: dict[str, int], timeout_s: float = WAIT_S) -> None:
        """Return when every node has applied these generations; Unavailable says who has not."""
        body = {"networks": generations, "timeout_s": timeout_s}
        request(self.path, "POST", "/v1/wait", body, timeout_s + REQUEST_S)

    def networks(self) -> list[Document]:
        """One line for each network."""
        return self._list("/v1/networks", "networks")

    def network(self, name: str) -> Document:
        """{"network": document, "generation": n, "mtu": bytes, "bound": {port: node}, "behind": [sentence]}."""
        return self._get(_network(name))

    def delete_network(self, name: str, *, wait: bool = False, timeout_s: float = WAIT_S) -> Document:
        """Delete a network; the automatic snapshot `before-delete-N` can bring it back."""
        answer = request(self.path, "DELETE", _network(name), None, REQUEST_S)
        if wait:
            self.wait(answer["generations"], timeout_s)
        return answer

    def snapshot(self, network: str, name: str | None = None) -> Document:
        """Keep the network as it is now: {"network", "name", "created", "generation"}."""
        answer = self._post(f"{_network(network)}/snapshots", {"name": name})
        snapshot: Document = answer["snapshot"]
        return snapshot

    def snapshots(self, network: str) -> list[Document]:
        """The snapshots of a network, oldest first."""
        return self._list(f"{_network(network)}/snapshots", "snapshots")

    def delete_snapshot(self, network: str, name: str) -> None:
        """Forget a snapshot."""
        request(self.path, "DELETE", f"{_network(network)}/snapshots/{quote(name, '')}", None, REQUEST_S)

    def diff(self, network: str, old: str, new: str | None = None) -> list[Document]:
        """Changes from a snapshot to another one, or to now: [{"kind", "path", "old", "new"}]."""
        query = {"from": old} if new is None else {"from": old, "to": new}
        return self._list(f"{_network(network)}/diff?{urlencode(query)}", "changes")

    def rollback(
        self, network: str, snapshot: str, *, wait: bool = False, timeout_s: float = WAIT_S
    ) -> Document:
        """Put the network of a snapshot in place of the present one."""
        return self._changed(f"{_network(network)}/rollback", {"snapshot": snapshot}, wait, timeout_s)

    def ports(self, network: str | None = None) -> list[Document]:
        """Ports of a network, or of all; `bound` is the node where a port is."""
        return self._list("/v1/ports" + _query(network=network), "ports")

    def move_port(
        self, network: str, port: str, node: str, *, wait: bool = False, timeout_s: float = WAIT_S
    ) -> Document:
        """Move a port to another node."""
        target = f"{_network(network)}/ports/{quote(port, '')}/move"
        return self._changed(target, {"node": node}, wait, timeout_s)

    def nodes(self) -> list[Document]:
        """All nodes, with the generations that they have applied."""
        return self._list("/v1/nodes", "nodes")

    def forget_node(self, name: str) -> None:
        """Remove a node that will not come back."""
        request(self.path, "DELETE", f"/v1/nodes/{quote(name, '')}", None, REQUEST_S)

    def tunnels(self) -> list[Document]:
        """Every pair of nodes, with the encapsulation chosen."""
        return self._list("/v1/tunnels", "tunnels")

    def drops(self, node: str | None = None) -> list[Document]:
        """Packets not forwarded: [{"node", "reason", "object", "packets"}]."""
        return self._list("/v1/drops" + _query(node=node), "drops")

    def counters(self, network: str | None = None) -> list[Document]:
        """Packets and bytes of ports and ACLs: [{"network", "kind", "name", "node", "packets", "bytes"}]."""
        return self._list("/v1/counters" + _query(network=network), "counters")

    def trace(self, network: str, port: str, match: str) -> Document:
        """What happens to a frame: {"frame": text, "halves": [{"node", "steps", "outputs", ...}]}."""
        body = {"port": port, "match": match}
        return request(self.path, "POST", f"{_network(network)}/trace", body, 2 * REQUEST_S)

    def backup(self) -> bytes:
        """Everything that the controller keeps, as a tar file."""
        return request_bytes(self.path, "GET", "/v1/backup", None, BACKUP_S)

    def restore(self, data: bytes) -> Document:
        """Make everything as in a backup: {"operations": {database: number}, "generations": {network: n}}."""
        answer = request_bytes(self.path, "POST", "/v1/restore", data, BACKUP_S)
        restored: Document = orjson.loads(answer)
        return restored

    def _changed(self, target: str, body: Document, wait: bool, timeout_s: float) -> Document:
        answer = self._post(target, body)
        if wait:
            self.wait(answer["generations"], timeout_s)
        return answer

    def _get(self, target: str) -> Document:
        return request(self.path, "GET", target, None, REQUEST_S)

    def _post(self, target: str, body: Document) -> Document:
        return request(self.path, "POST", target, body, REQUEST_S)

    def _list(self, target: str, key: str) -> list[Document]:
        found: list[Document] = self._get(target)[key]
        return found


def _network(name: str) -> str:
    return f"/v1/networks/{quote(name, '')}"


def _query(**values: str | None) -> str:
    given = {key: value for key, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
