"""One virtual network, to work with as a whole.

    net = connect().network("shop")
    with net.change("one more web server") as c:
        c.port("web3", switch="web", node="node2")
        c.remove("acl", "no-ssh")

What stands in a `with` block is one change: applied whole when the block ends, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from tulle.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from .client import Client

Document = dict[str, Any]
LISTS: Final = {
    "switch": "switches",
    "router": "routers",
    "port": "ports",
    "acl": "acls",
    "load balancer": "load_balancers",
    "appliance": "appliances",
    "chain": "chains",
    "mirror": "mirrors",
}


class Draft:
    """A network that is being changed.

    What it is told goes to the controller as it is told, a few members at most times.  `document` is the whole of it,
    in the words of the network file, to change at will; it is asked for only when somebody looks at it.
    """

    def __init__(self, name: str, show: Callable[[], Document]) -> None:
        self.name = name
        self.answer: Document = {}
        """What the controller answered, once the change is done."""
        self.edits: list[Document] = []
        self._show = show
        self._document: Document | None = None

    @property
    def whole(self) -> Document | None:
        """The document if it was looked at."""
        return self._document

    @property
    def document(self) -> Document:
        """The whole network, with all that has been told so far."""
        if self._document is None:
            self._document = self._show()
            edits, self.edits = self.edits, []
            for one in edits:
                self._edit(one)
        return self._document

    def switch(self, name: str, **values: Any) -> Document:
        """Add a switch, or change these `values` of one."""
        return self._put("switch", name, values)

    def router(self, name: str, **values: Any) -> Document:
        """Add a router, or change these `values` of one."""
        return self._put("router", name, values)

    def port(self, name: str, **values: Any) -> Document:
        """Add a port, or change these `values` of one; what a new one lacks is allocated."""
        return self._put("port", name, values)

    def acl(self, name: str, **values: Any) -> Document:
        """Add an ACL, or change these `values` of one."""
        return self._put("acl", name, values)

    def load_balancer(self, name: str, **values: Any) -> Document:
        """Add a load balancer, or change these `values` of one."""
        return self._put("load balancer", name, values)

    def appliance(self, name: str, **values: Any) -> Document:
        """Add an appliance, or change these `values` of one."""
        return self._put("appliance", name, values)

    def chain(self, name: str, **values: Any) -> Document:
        """Add a chain, or change these `values` of one."""
        return self._put("chain", name, values)

    def mirror(self, name: str, **values: Any) -> Document:
        """Add a mirror, or change these `values` of one."""
        return self._put("mirror", name, values)

    def remove(self, kind: str, name: str) -> None:
        """Remove a `switch`, `router`, `port`, `acl` or `load balancer`.

        NotFound, at the end at the latest, if it is not there.
        """
        self._edit({"kind": _known(kind), "name": name, "values": None})

    def _put(self, kind: str, name: str, values: Document) -> Document:
        """The values that are put, to be changed until the change is made."""
        return self._edit({"kind": _known(kind), "name": name, "values": {"name": name, **values}})

    def _edit(self, edit: Document) -> Document:
        if self._document is None:
            self.edits.append(edit)
            return edit["values"] or {}
        members: list[Document] = self._document.setdefault(LISTS[edit["kind"]], [])
        found = next((one for one in members if one["name"] == edit["name"]), None)
        if edit["values"] is None:
            if found is None:
                raise NotFound(f"no {edit['kind']} {edit['name']!r} in network {self.name}")
            members.remove(found)
            return {}
        if found is None:
            members.append(found := {})
        found.update(edit["values"])
        return found


class Network:
    """Answers are those of the client; every change takes `message`, `dry_run` and `wait`."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    @property
    def path(self) -> str:
        """Where the API has it."""
        return network_path(self.name)

    @property
    def exists(self) -> bool:
        """Whether there is such a network now."""
        return any(one["name"] == self.name for one in self._client.networks())

    @property
    def document(self) -> Document:
        """The whole network, in the words of the network file."""
        document: Document = self.show()["network"]
        return document

    def show(self) -> Document:
        """{"network": document, "generation": n, "bound": {port: node}, "behind": [sentence]}."""
        return self._client.show_network(self.name)

    @contextmanager
    def change(self, message: str = "", *, wait: bool = False) -> Iterator[Draft]:
        """A draft of the network as it is now, or of a new one; it is applied when the block ends.

        An exception in the block leaves everything as it was.  Conflict, which says what has changed, when somebody
        else has changed the network meanwhile: nothing is merged.
        """
        generation = self._generation()
        draft = Draft(self.name, self._shown if generation else lambda: {"name": self.name})
        if not generation:
            _ = draft.document
        yield draft
        expected = {self.name: generation}
        if draft.whole is None:
            draft.answer = self._client.edit(
                self.name, draft.edits, expected=expected, wait=wait, message=message
            )
            return
        text = orjson.dumps({"networks": [_without_nones(draft.whole)]}, option=orjson.OPT_INDENT_2).decode()
        draft.answer = self._client.apply(text, "change", expected=expected, wait=wait, message=message)

    def create(self, *subnets: str, wait: bool = False, **how: Any) -> Document:
        """Make it; `subnets` go to one switch, `lan`.  Conflict if it exists."""
        switches = [{"name": "lan", "subnets": list(subnets)}] if subnets else []
        text = orjson.dumps({"networks": [{"name": self.name, "switches": switches}]}).decode()
        body = {"text": text, "filename": "create", "expected": {self.name: 0}, **how}
        return self._client.change("/v1/apply", body, wait)

    def delete(self, *, wait: bool = False, **how: Any) -> Document:
        """Delete it; `kept` of the answer is the snapshot that can bring it back."""
        return self._client.delete_network(self.name, wait=wait, **how)

    def snapshot(self, name: str | None = None, message: str = "") -> Document:
        """Keep it as it is now."""
        return self._client.snapshot(self.name, name, message)

    def snapshots(self) -> list[Document]:
        """Its snapshots, oldest first."""
        return self._client.snapshots(self.name)

    def history(self) -> list[Document]:
        """Every change of it, oldest first."""
        return self._client.history(self.name)

    def diff(self, old: str, new: str | None = None) -> list[Document]:
        """What changed from a snapshot or change to another one, or to now."""
        return self._client.diff(self.name, old, new)

    def rollback(self, to: str | int, *, wait: bool = False, **how: Any) -> Document:
        """Put a snapshot, or how it was after a change, in place of what is there now."""
        return self._client.rollback(self.name, str(to), wait=wait, **how)

    def clone(
        self,
        name: str,
        places: Mapping[str, Document] | None = None,
        *,
        at: str | int | None = None,
        wait: bool = False,
        **how: Any,
    ) -> Document:
        """Make another network with the same inside.

        Ports are unbound but for `places`: {port: {"node", "namespace", "interface"}}, the last two optional.
        """
        source = None if at is None else str(at)
        body = {"name": name, "places": dict(places or {}), "at": source, **how}
        return self._client.change(f"{self.path}/clone", body, wait)

    def rename(self, name: str, *, wait: bool = False, **how: Any) -> Document:
        """Give it another name, which this object has from then on."""
        answer = self._client.change(f"{self.path}/rename", {"name": name, **how}, wait)
        if not how.get("dry_run"):
            self.name = name
        return answer

    def pause(self, *, wait: bool = False, **how: Any) -> Document:
        """Stop all its traffic."""
        return self._client.change(f"{self.path}/pause", how, wait)

    def resume(self, *, wait: bool = False, **how: Any) -> Document:
        """Let its traffic go on."""
        return self._client.change(f"{self.path}/resume", how, wait)

    def totals(self) -> list[Document]:
        """What it, its switches and its routers have passed and dropped, by reason and node."""
        return self._client.totals(self.name)

    def follow(self, port: str, match: str = "any", **how: Any) -> Document:
        """Follow real packets of a port, with `to`, `seconds` and `count` of `Client.follow`."""
        return self._client.follow(self.name, port, match, **how)

    def export(self, at: str | int | None = None) -> str:
        """The text of a file with it."""
        return self._client.export(self.name, None if at is None else str(at))

    def _shown(self) -> Document:
        document: Document = self.show()["network"]
        return document

    def _generation(self) -> int:
        """The present one; 0 where there is no such network."""
        try:
            return int(self._client.get(f"{self.path}/generation")["generation"])
        except NotFound:
            return 0


def _known(kind: str) -> str:
    if kind not in LISTS:
        raise InvalidInput(f"one of {', '.join(LISTS)} was expected, {kind!r} came")
    return kind


def network_path(name: str) -> str:
    """Where the API has a network."""
    return f"/v1/networks/{quote(name, '')}"


def _without_nones(value: Any) -> Any:
    """The same without absent values, which the network file leaves out."""
    if isinstance(value, dict):
        return {key: _without_nones(member) for key, member in value.items() if member is not None}
    return [_without_nones(member) for member in value] if isinstance(value, list | tuple) else value
