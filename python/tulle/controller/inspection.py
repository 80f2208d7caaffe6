"""Answers of several parts put together: why, who reaches whom, what is wrong, which flows there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from itertools import permutations
from typing import Any, Final

import msgspec

from tulle.errors import Conflict, InvalidInput, NotFound, TulleError
from tulle.logical import Service, asked_services, nearest, reachability, services
from tulle.store import StoredNetwork
from tulle.values import Network
from tulle.vswitch.commands import release

from .asking import Asker
from .doctor import Examined, findings
from .listing import Listing
from .tracing import Tracer
from .why import find_port, questions, verdict

Document = dict[str, Any]
PROBES_MAX: Final = 2000
AT_ONCE: Final = 16
CHECK_S: Final = 15.0
MARGIN_S: Final = 30.0


class Inspection:
    """Reads and asks; changes nothing."""

    def __init__(self, listing: Listing, tracer: Tracer, asker: Asker) -> None:
        self._listing = listing
        self._tracer = tracer
        self._asker = asker

    async def why(self, network: Network, source: str, target: str, text: str) -> Document:
        """Whether one port reaches another, by family, and which rules had a say."""
        asked = list(questions(network, source, target, asked_services(text)))
        if not asked:
            raise InvalidInput(f"ports {source} and {target} have no addresses of the same family")
        answers = []
        for service, match in asked:
            traced = await self._tracer.trace(network, source, match)
            outside = self._outside(network.name).get(target)
            found = verdict(network, source, target, service, traced, outside)
            answers.append({**found, "trace": traced})
        return {"network": network.name, "source": source, "target": target, "answers": answers}

    async def reach(self, network: Network) -> Document:
        """Who reaches whom by what: {"reach": [{"sources", "targets", "services"}], "unknown": sentence or None}."""
        found = await asyncio.to_thread(reachability, network)
        return {
            "network": network.name,
            "reach": msgspec.to_builtins(found.gained),
            "unknown": found.unknown,
        }

    async def probe(self, network: Network, source: str | None) -> Document:
        """Each pair of ports and kind of packet, asked of the switches: {"asked": n, "differences": [verdict]}."""
        asked = list(self._probes(network, source))
        if len(asked) > PROBES_MAX:
            raise InvalidInput(
                f"{len(asked)} packets would have to be traced, {PROBES_MAX} is the limit; name one port"
            )
        gate, outside = asyncio.Semaphore(AT_ONCE), self._outside(network.name)

        async def ask(pair: tuple[str, str], service: Service, match: str) -> Document:
            async with gate:
                traced = await self._tracer.trace(network, pair[0], match)
            found = verdict(network, *pair, service, traced, outside.get(pair[1]))
            return {"source": pair[0], "target": pair[1], **found}

        answers = await asyncio.gather(*(ask(*one) for one in asked))
        return {"asked": len(asked), "differences": [one for one in answers if not one["agrees"]]}

    def _outside(self, network: str) -> dict[str, str]:
        """The ports at endpoints without an agent, and where those are."""
        external = {one["name"] for one in self._listing.nodes() if one["external"]}
        ports = self._listing.ports(network)
        return {one["name"]: one["bound"] for one in ports if one["bound"] in external}

    def _probes(self, network: Network, source: str | None) -> Iterable[tuple[tuple[str, str], Service, str]]:
        bound = {one["name"] for one in self._listing.ports(network.name) if one["bound"] is not None}
        if source is not None and find_port(network, source).name not in bound:
            raise Conflict(f"port {network.name}/{source} is bound to no node")
        kinds = services([network])
        outside = self._outside(network.name)
        for pair in permutations(sorted(bound), 2):
            if source in (None, pair[0]) and pair[0] not in outside:
                for service, match in questions(network, *pair, kinds):
                    yield pair, service, match

    async def flows(self, network: str | None, node: str | None) -> Document:
        """{"flows": [{"node", "flow", "actions", "object", "packets", "bytes"}], "left_out", "silent": {node: why}}."""
        answers = await self._asker.ask_all(self._asked_nodes(node), "flows", {"network": network})
        found: list[Document] = []
        silent = {}
        left_out = 0
        for name, answer in answers.items():
            if isinstance(answer, TulleError):
                silent[name] = answer.message
                continue
            found += [{"node": name, **one} for one in answer["flows"]]
            left_out += answer["left_out"]
        return {"flows": found, "left_out": left_out, "silent": silent}

    async def capture(self, request: Document) -> Document:
        """What the agents captured, by node: {"nodes": {node: answer}, "silent": {node: why}}."""
        nodes = self._capturing(request)
        limit_s = float(request.get("seconds", 10.0)) + MARGIN_S
        answers = await self._asker.ask_all(nodes, "capture", request, limit_s)
        silent = {name: one.message for name, one in answers.items() if isinstance(one, TulleError)}
        return {"nodes": {name: one for name, one in answers.items() if name not in silent}, "silent": silent}

    def _capturing(self, request: Document) -> list[str]:
        """The nodes that see what is asked for."""
        if remotes := request.get("remotes"):
            known = [one["name"] for one in self._listing.nodes()]
            for name in sorted(set(remotes).difference(known)):
                raise NotFound(f"no node {name!r}{nearest(name, known)}")
            return [one for one in self._asked_nodes(None) if one in remotes]
        ports = self._listing.ports(request.get("network"))
        wanted = [one for one in ports if request.get("port") in (None, one["name"])]
        return sorted({one["bound"] for one in wanted} & set(self._asked_nodes(None)))

    async def doctor(self, networks: Iterable[StoredNetwork], behind: list[str]) -> Document:
        """{"findings": [{"level", "about", "says"}]}, worst first."""
        nodes, tunnels = self._listing.nodes(), self._listing.tunnels()
        asked_s = time.time()
        names = [one["name"] for one in nodes if one["connected"]]
        addresses = {one["name"]: [one["address"], one["second_address"]] for one in nodes}
        wanted = {name: _far_ends(name, tunnels, addresses) for name in names}
        asked = [self._asker.ask_all([name], "check", {"addresses": wanted[name]}, CHECK_S) for name in names]
        answers = {name: one for found in await asyncio.gather(*asked) for name, one in found.items()}
        seen = Examined(
            [{"name": one.network.name} for one in networks],
            self._listing.ports(None),
            nodes,
            tunnels,
            behind,
            answers,
            asked_s,
            time.time(),
            release(),
        )
        return {"findings": msgspec.to_builtins(findings(seen))}

    def _asked_nodes(self, node: str | None) -> list[str]:
        found = [one["name"] for one in self._listing.nodes() if one["connected"]]
        if node is not None and node not in found:
            raise Conflict(f"node {node} has no agent that could be asked")
        return [one for one in found if node in (None, one)]


def _far_ends(name: str, tunnels: list[Document], addresses: dict[str, list[str]]) -> list[str]:
    """The underlay addresses of the nodes that this one has tunnels to."""
    found: set[str] = set()
    for one in tunnels:
        if name in (one["local"], one["remote"]) and one["encapsulation"] is not None:
            other = one["remote"] if one["local"] == name else one["local"]
            found.update(address for address in addresses.get(other, ()) if address)
    return sorted(found)
