"""A client of the controller: one method a question or change; answers are plain dicts and lists.

Every method raises the TulleError that the controller names.  With `wait`, a change returns when every
node has applied it.  It keeps no connection, so a controller that comes back is simply there again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import orjson

from .network import Network, network_path
from .place import api_socket
from .questions import Questions
from .transport import request, request_bytes, request_lines

REQUEST_S: Final = 30.0
BACKUP_S: Final = 300.0
WAIT_S: Final = 30.0
Document = dict[str, Any]


def connect(path: str | Path | None = None) -> Client:
    """A client of the controller at `path`, or where `place.api_socket` finds one."""
    return Client(Path(path) if path is not None else api_socket(os.environ))


class Client(Questions):
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
        message: str = "",
        expected: Mapping[str, int] | None = None,
        atomic: bool = False,
    ) -> Document:
        """Make the networks as in the text of a file: {"changes": [...], "generations": {network: n}, "undo"}.

        `atomic`: no packet meets a mix of what was and what the file says, on whichever nodes it passes.

        `expected`: the generation that each network must have now (0: none), else Conflict says what has changed.
        """
        body = {"text": text, "filename": filename, "dry_run": dry_run, "message": message, "atomic": atomic}
        return self.change("/v1/apply", {**body, "expected": dict(expected or {})}, wait, timeout_s)

    def edit(
        self,
        network: str,
        edits: list[Document],
        *,
        wait: bool = False,
        dry_run: bool = False,
        timeout_s: float = WAIT_S,
        message: str = "",
        expected: Mapping[str, int] | None = None,
    ) -> Document:
        """Put or remove members: [{"kind": "port", "name": name, "values": as in a file, or None to remove}].

        The answer is that of `apply`; the work is in proportion to the edits.
        """
        body = {"edits": edits, "dry_run": dry_run, "message": message, "expected": dict(expected or {})}
        return self.change(f"{network_path(network)}/edit", body, wait, timeout_s)

    def import_network(
        self,
        text: str,
        filename: str = "input",
        *,
        name: str | None = None,
        places: Mapping[str, Document] | None = None,
        wait: bool = False,
        timeout_s: float = WAIT_S,
        **how: Any,
    ) -> Document:
        """Make a new network of a file with one; `places` puts its ports elsewhere, as in `Network.clone`."""
        body = {"text": text, "filename": filename, "name": name, "places": places, **how}
        return self.change("/v1/import", body, wait, timeout_s)

    def network(self, name: str) -> Network:
        """A network by its name, to work with; it is asked for when something is done with it."""
        return Network(self, name)

    def wait(self, generations: dict[str, int], timeout_s: float = WAIT_S) -> None:
        """Return when every node has applied these generations; Unavailable says who has not."""
        body = {"networks": generations, "timeout_s": timeout_s}
        request(self.path, "POST", "/v1/wait", body, timeout_s + REQUEST_S)

    def networks(self) -> list[Document]:
        """One line for each network."""
        return self._list("/v1/networks", "networks")

    def show_network(self, name: str) -> Document:
        """{"network": document, "generation": n, "mtu": bytes, "bound": {port: node}, "behind": [sentence],
        "tunnels": [as `tunnels` gives them, between the nodes of the network]}."""
        return self.get(network_path(name))

    def delete_network(
        self, name: str, *, wait: bool = False, timeout_s: float = WAIT_S, **how: Any
    ) -> Document:
        """Delete a network; the automatic snapshot `before-delete-N` can bring it back."""
        return self.change(network_path(name), how, wait, timeout_s, "DELETE")

    def snapshot(self, network: str, name: str | None = None, message: str = "") -> Document:
        """Keep the network as it is now: {"network", "name", "created", "by", "message", "generation"}."""
        answer = self.post(f"{network_path(network)}/snapshots", {"name": name, "message": message})
        snapshot: Document = answer["snapshot"]
        return snapshot

    def snapshots(self, network: str) -> list[Document]:
        """The snapshots of a network, oldest first."""
        return self._list(f"{network_path(network)}/snapshots", "snapshots")

    def delete_snapshot(self, network: str, name: str) -> None:
        """Forget a snapshot."""
        path = f"{network_path(network)}/snapshots/{quote(name, '')}"
        request(self.path, "DELETE", path, None, REQUEST_S)

    def history(self, network: str) -> list[Document]:
        """Every change, oldest first: [{"generation", "created", "by", "what", "message", "summary"}]."""
        return self._list(f"{network_path(network)}/history", "history")

    def diff(self, network: str, old: str, new: str | None = None) -> list[Document]:
        """Changes from a snapshot (or change) to another one, or to now: [{"kind", "path", "old", "new"}]."""
        query = {"from": old} if new is None else {"from": old, "to": new}
        return self._list(f"{network_path(network)}/diff?{urlencode(query)}", "changes")

    def diff_file(self, network: str, text: str, filename: str = "input") -> list[Document]:
        """What applying a file would change in a network."""
        answer = self.post(f"{network_path(network)}/diff", {"text": text, "filename": filename})
        found: list[Document] = answer["changes"]
        return found

    def export(self, network: str, at: str | None = None) -> str:
        """The text of a file with the network as it is, or as it was at a snapshot or after a change."""
        text: str = self.get(f"{network_path(network)}/export" + _query(at=at))["text"]
        return text

    def rollback(
        self, network: str, snapshot: str, *, wait: bool = False, timeout_s: float = WAIT_S, **how: Any
    ) -> Document:
        """Put the network of a snapshot, or as it was after a change, in place of the present one.

        With `atomic=False` nodes change one by one, each for itself.
        """
        body = {"snapshot": snapshot, **how}
        return self.change(f"{network_path(network)}/rollback", body, wait, timeout_s)

    def ports(self, network: str | None = None) -> list[Document]:
        """Ports of a network, or of all; `bound` is the node where a port is."""
        return self._list("/v1/ports" + _query(network=network), "ports")

    def port(self, network: str, port: str) -> Document:
        """One port, with what DHCP, router advertisements and DNS say of it."""
        return self.get(f"{network_path(network)}/ports/{quote(port, '')}")

    def move_port(
        self, network: str, port: str, node: str, *, wait: bool = False, timeout_s: float = WAIT_S, **how: Any
    ) -> Document:
        """Move a port to another node."""
        target = f"{network_path(network)}/ports/{quote(port, '')}/move"
        return self.change(target, {"node": node, **how}, wait, timeout_s)

    def prepare_port(
        self, network: str, port: str, node: str, *, wait: bool | None = None, timeout_s: float = WAIT_S
    ) -> bool:
        """Have a node ready for a port, which it takes with the first packet that the port's device sends there.

        True when it is ready.  With `wait` it is waited for, else Unavailable says that it is not; None: where the
        node makes the device itself.
        """
        path = f"{network_path(network)}/ports/{quote(port, '')}/prepare"
        body = {"node": node, "wait": wait, "timeout_s": timeout_s}
        answer = request(self.path, "POST", path, body, timeout_s + REQUEST_S)
        return bool(answer["ready"])

    def cancel_prepared(self, network: str, port: str) -> None:
        """Prepare a port no more."""
        path = f"{network_path(network)}/ports/{quote(port, '')}/prepare"
        request(self.path, "DELETE", path, None, REQUEST_S)

    def drain(
        self, node: str, *, to: str | None = None, wait: bool = False, timeout_s: float = WAIT_S, **how: Any
    ) -> Document:
        """Move all ports away from a node: {"moves": [{"network", "port", "to", "reason"}], "changes",
        "generations", "dry_run"}; `to` is None for those that could not be moved."""
        return self.change(f"/v1/nodes/{quote(node, '')}/drain", {"to": to, **how}, wait, timeout_s)

    def prefer(
        self, network: str, encapsulations: list[str], *, wait: bool = False, timeout_s: float = WAIT_S
    ) -> Document:
        """Say in which order a network wants its encapsulations; none: as the nodes prefer."""
        body = {"encapsulations": encapsulations}
        return self.change(f"{network_path(network)}/encapsulations", body, wait, timeout_s)

    def prefer_at(
        self, node: str, encapsulations: list[str], *, wait: bool = False, timeout_s: float = WAIT_S
    ) -> Document:
        """Say in which order a node is to use encapsulations; none: as its agent says."""
        body = {"encapsulations": encapsulations}
        return self.change(f"/v1/nodes/{quote(node, '')}/encapsulations", body, wait, timeout_s)

    def nodes(self) -> list[Document]:
        """All nodes, with the generations that they have applied."""
        return self._list("/v1/nodes", "nodes")

    def forget_node(self, name: str) -> None:
        """Remove a node that will not come back."""
        request(self.path, "DELETE", f"/v1/nodes/{quote(name, '')}", None, REQUEST_S)

    def tunnels(self) -> list[Document]:
        """Every pair of nodes, and each network with an order of its own: what it uses, what it is coming to, why."""
        return self._list("/v1/tunnels", "tunnels")

    def appliances(self, network: str | None = None) -> list[Document]:
        """How appliances are, as nodes say: [{"network", "name", "node", "state"}], `up` or `down`."""
        return self._list("/v1/appliances" + _query(network=network), "appliances")

    def drops(self, node: str | None = None) -> list[Document]:
        """Packets not forwarded: [{"node", "reason", "object", "packets"}]."""
        return self._list("/v1/drops" + _query(node=node), "drops")

    def counters(self, network: str | None = None) -> list[Document]:
        """What ports, rules, chains, mirrors, networks, switches and routers count:
        [{"network", "kind", "name", "node", "packets", "bytes"}]."""
        return self._list("/v1/counters" + _query(network=network), "counters")

    def totals(self, network: str | None = None) -> list[Document]:
        """What networks, switches and routers passed (with no reason) and dropped:
        [{"network", "kind", "name", "reason", "node", "packets", "bytes"}]."""
        return self._list("/v1/totals" + _query(network=network), "totals")

    def backends(self, network: str | None = None) -> list[Document]:
        """Whether backends of load balancers serve: [{"network", "balancer", "address", "node", "up"}]."""
        return self._list("/v1/backends" + _query(network=network), "backends")

    def trace(self, network: str, port: str, match: str) -> Document:
        """What happens to a frame: {"frame": text, "halves": [{"node", "steps", "outputs", ...}]}."""
        body = {"port": port, "match": match}
        return request(self.path, "POST", f"{network_path(network)}/trace", body, 2 * REQUEST_S)

    def watch(self, network: str | None = None) -> Iterator[Document]:
        """What happens from now on, as it happens: {"event": "changed", "applied", "bound", …, …}.

        Ends when the controller ends; Unavailable when it is gone without a word.
        """
        for text in request_lines(self.path, "/v1/watch" + _query(network=network), REQUEST_S):
            event: Document = orjson.loads(text)
            yield event

    def backup(self) -> bytes:
        """Everything that the controller keeps, as a tar file."""
        return request_bytes(self.path, "GET", "/v1/backup", None, BACKUP_S)

    def restore(self, data: bytes) -> Document:
        """Make everything as in a backup: {"operations": {database: number}, "generations": {network: n}}."""
        answer = request_bytes(self.path, "POST", "/v1/restore", data, BACKUP_S)
        restored: Document = orjson.loads(answer)
        return restored

    def change(
        self, target: str, body: Document, wait: bool, timeout_s: float = WAIT_S, method: str = "POST"
    ) -> Document:
        """Ask for a change; with `wait`, return when it is true on every node.

        Every change takes `message` (why), `expected` ({network: generation}) and `dry_run` in its body.
        """
        answer = request(self.path, method, target, body, REQUEST_S)
        if wait and not body.get("dry_run"):
            self.wait(answer["generations"], timeout_s)
        return answer

    def get(self, target: str) -> Document:
        """Ask a question."""
        return request(self.path, "GET", target, None, REQUEST_S)

    def post(self, target: str, body: Document) -> Document:
        """Ask for something."""
        return request(self.path, "POST", target, body, REQUEST_S)

    def _list(self, target: str, key: str) -> list[Document]:
        found: list[Document] = self.get(target)[key]
        return found


def _query(**values: str | None) -> str:
    given = {key: value for key, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
