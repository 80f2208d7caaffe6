"""The commands of scenario files, and their minutes.

NETWORK/PORT MATCH                     what a workload sends, as for `tulle trace`
frame NETWORK/PORT FIELDS              any frame, in `ovs-ofctl` syntax
tunnel REMOTE NODE CONTEXT FIELDS      any frame that REMOTE puts into its tunnel to NODE; a context
                                       is a number, or a switch (`red/web`) where it is no more than that
set PATH VALUE, add PATH VALUE, remove PATH     e.g. `set red/ports/web2/node node3`
dhcp, dhcpv6, dns, router NETWORK/PORT …       a question to a service, see `service_words`
snapshot NETWORK NAME, diff NETWORK NAME, rollback NETWORK NAME
tunnels
node NODE has|comes|activates|leaves NETWORK/PORT [OTHER]     NODE has the port's device; the port itself is at OTHER
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import orjson
import yaml
from frame_words import describe, frame_of
from memory_lab import MemoryLab
from memory_node import Delivered, Dropped, End, Hop, MemoryNode, Punted, Sent

from tulle._native import emit_frame
from tulle.controller.frame import frame_match
from tulle.logical import diff, document_of, network_of, parse_match
from tulle.openflow.changes import FlowChanges
from tulle.openflow.flows import flow_cookie, flow_table
from tulle.values import Network, Tunnel, pipeline
from tulle.values.moving import Transit

STAGES = {
    number: name.lower().replace("_", " ")
    for name, number in vars(pipeline).items()
    if isinstance(number, int) and not name.startswith(("ETH_", "PROTO_"))
}
NO_MAC = "02:00:00:00:00:99"


class Commands:
    """Runs commands against one lab."""

    def __init__(self, lab: MemoryLab) -> None:
        self.lab = lab
        self._snapshots: dict[tuple[str, str], tuple[Network, dict[str, dict[str, str]]]] = {}
        self._verbs: dict[str, Callable[[str], list[str]]] = {
            "frame": self._frame,
            **{one: partial(self._ask, one) for one in ("dhcp", "dhcpv6", "dns", "router")},
            "tunnel": self._tunnel,
            "tunnels": self._tunnels,
            "node": self._move,
            "set": lambda rest: self._edit(rest, _set),
            "add": lambda rest: self._edit(rest, _add),
            "remove": lambda rest: self._edit(rest, _remove),
            "snapshot": self._snapshot,
            "diff": self._diff,
            "rollback": self._rollback,
        }

    def run(self, command: str) -> list[str]:
        """The minutes of one command."""
        verb, _, rest = command.partition(" ")
        return self._verbs[verb](rest) if verb in self._verbs else self._send(verb, rest)

    def _send(self, port: str, match: str) -> list[str]:
        network, _, name = port.partition("/")
        frame = emit_frame(frame_match(self.lab.networks[network], name, parse_match(match)))
        return self._minutes(self.lab.send(port, frame))

    def _frame(self, rest: str) -> list[str]:
        port, words = rest.split(" ", 1)
        network, _, name = port.partition("/")
        mac = next(one.mac for one in self.lab.networks[network].ports if one.name == name)
        return self._minutes(self.lab.send(port, frame_of(words, mac)))

    def _ask(self, service: str, rest: str) -> list[str]:
        """A question to a service; the answer is told in words."""
        import service_words as words

        full, *said = rest.split()
        name, _, port_name = full.partition("/")
        network = self.lab.networks[name]
        port = next(one for one in network.ports if one.name == port_name)
        frame = {
            "dhcp": lambda: words.dhcp(port, said),
            "dhcpv6": lambda: words.dhcpv6(port, said),
            "dns": lambda: words.dns(network, port, said),
            "router": lambda: words.solicitation(port),
        }[service]()
        hops = self.lab.send(full, frame)
        ends = [end for hop in hops for end in hop.ends if isinstance(end, Delivered)]
        told = [f"     {line}".rstrip() for end in ends for line in words.service_lines(end.frame)]
        return [*self._minutes(hops), *(line for line in told if line)]

    def _tunnel(self, rest: str) -> list[str]:
        remote, node, context, words = rest.split(" ", 3)
        number = self.lab.ids.datapaths[context] if "/" in context else int(context, 0)
        return self._minutes(self.lab.send_from(remote, node, number, frame_of(words, NO_MAC)))

    def _tunnels(self, _: str) -> list[str]:
        return [
            f"{one.local} - {one.remote}: "
            f"{_ways(one) if isinstance(one, Tunnel) else f'unreachable, {one.reason}'}"
            for one in self.lab.tunnels
        ]

    def _move(self, rest: str) -> list[str]:
        node, what, port, *other = rest.split()
        network, _, name = port.partition("/")
        transit = Transit(network, name, other[0], what != "leaves", what == "activates") if other else None
        return _changes(self.lab.nodes[node], self.lab.move(port, node, transit))

    def _edit(self, rest: str, edit: Callable[[Any, list[str], str], None]) -> list[str]:
        path, _, value = rest.partition(" ")
        name, *steps = _steps(path)
        document = deepcopy(document_of(self.lab.networks[name]))
        edit(document, steps, value)
        return self._replace(network_of(document))

    def _replace(self, network: Network) -> list[str]:
        before = self.lab.networks
        made = self.lab.apply(tuple((before | {network.name: network}).values()))
        said = _differences(before[network.name], network)
        for node, changed in made.items():
            said += _changes(self.lab.nodes[node], changed)
        return said

    def _snapshot(self, rest: str) -> list[str]:
        network, name = rest.split()
        self._snapshots[network, name] = (self.lab.networks[network], self.lab.flows())
        return []

    def _diff(self, rest: str) -> list[str]:
        network, name = rest.split()
        return _differences(self._snapshots[network, name][0], self.lab.networks[network]) or [
            "no difference"
        ]

    def _rollback(self, rest: str) -> list[str]:
        network, name = rest.split()
        kept, flows = self._snapshots[network, name]
        said = self._replace(kept)
        same = self.lab.flows() == flows
        return [*said, f"the flows of all nodes {'are as' if same else 'DIFFER from those'} at the snapshot"]

    def _minutes(self, hops: list[Hop]) -> list[str]:
        out: list[str] = []
        for hop in hops:
            out.append(f"{hop.node}, {hop.entered}")
            out += [f"{table:4} {STAGES[table]:<17} {owner}" for table, owner in hop.steps]
            out += [f"  => {self._end(end)}" for end in hop.ends]
        return out

    def _end(self, end: End) -> str:
        match end:
            case Delivered(port, frame):
                return f"port {port}: {describe(frame)}"
            case Sent(remote, name, context, frame):
                size = self.lab.known[name].context_bits // 4
                return f"{name} to {remote}, context {context:0{size}x}: {describe(frame)}"
            case Punted(reason, reply):
                return f"agent: {reason}, {'answered' if reply else 'no answer'}"
            case Dropped(reason, table, owner):
                return f"dropped in table {table} by {owner} ({reason})"


def _differences(old: Network, new: Network) -> list[str]:
    return [f"{one.kind} {one.path}{_values(one.old, one.new)}" for one in diff(old, new)]


def _values(old: object, new: object) -> str:
    shown = [orjson.dumps(one).decode() for one in (old, new) if one is not None]
    return f": {' -> '.join(shown)}"


def _changes(node: MemoryNode, made: FlowChanges) -> list[str]:
    """Which flows changed, by table and owner."""
    batches = {"add": made.add, "modify": made.modify, "delete": [node.former[key] for key in made.delete]}
    counted = Counter(
        (flow_table(text), verb, node.owners[flow_cookie(text)])
        for verb, texts in batches.items()
        for text in texts
    )
    name = node.node.name
    head = f"{name}: {len(made.add)} added, {len(made.modify)} modified, {len(made.delete)} deleted"
    return [head, *(_counted(*what, times) for what, times in sorted(counted.items()))]


def _counted(table: int, verb: str, what: str, times: int) -> str:
    return f"{table:4} {verb} {what}{f' ({times} flows)' if times > 1 else ''}"


def _steps(path: str) -> list[str]:
    """A path in pieces; the prefix of a route has a slash of its own."""
    place, _, prefix = path.partition("/routes/")
    return [*place.split("/"), *(["routes", prefix] if prefix else [])]


def _set(document: Any, steps: list[str], value: str) -> None:
    found = _inner(document, steps[:-1])
    found[steps[-1]] = yaml.safe_load(value)


def _add(document: Any, steps: list[str], value: str) -> None:
    _inner(document, steps).append(yaml.safe_load(value))


def _remove(document: Any, steps: list[str], _: str) -> None:
    members = _inner(document, steps[:-1])
    members.remove(_inner(members, steps[-1:]))


def _inner(document: Any, steps: list[str]) -> Any:
    """What a path leads to; members of a list go by their names or prefixes."""
    for step in steps:
        if isinstance(document, list):
            document = next(one for one in document if step in (one.get("name"), one.get("prefix")))
        else:
            document = document[step]
    return document


def _ways(tunnel: Tunnel) -> str:
    own = [f"{network} {name}" for network, name in sorted(tunnel.networks.items())]
    return ", ".join([tunnel.encapsulation, *own])
