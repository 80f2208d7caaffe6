"""Questions about what is so: the part of the client that changes nothing and asks the nodes themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from .network import network_path
from .transport import request

Document = dict[str, Any]
ASK_S: Final = 90.0
PROBE_S: Final = 600.0


class Questions:
    """What `Client` inherits; `path` is the controller's socket."""

    path: Path

    def why(self, network: str, source: str, target: str, service: str = "ping") -> Document:
        """Whether one port reaches another by `tcp/443`, `udp/53` or `ping`, and which rules had a say:
        {"answers": [{"version", "service", "reaches", "model", "agrees", "by": [names], "said", "trace"}]}."""
        asked = {"source": source, "target": target, "service": service}
        return request(self.path, "POST", f"{network_path(network)}/why", asked, ASK_S)

    def reach(self, network: str) -> Document:
        """Who reaches whom: {"reach": [{"sources", "targets", "services"}], "unknown": sentence or None}."""
        return request(self.path, "GET", f"{network_path(network)}/reach", None, ASK_S)

    def probe(self, network: str, source: str | None = None) -> Document:
        """The same asked of the switches, pair by pair: {"asked": number, "differences": [verdict]}."""
        return request(self.path, "POST", f"{network_path(network)}/probe", {"source": source}, PROBE_S)

    def flows(self, network: str | None = None, node: str | None = None) -> Document:
        """What the switches have: {"flows": [{"node", "flow", "actions", "object", "packets", "bytes"}], "silent"}."""
        given = {key: value for key, value in (("network", network), ("node", node)) if value is not None}
        return request(self.path, "GET", f"/v1/flows?{urlencode(given)}", None, ASK_S)

    def capture(
        self,
        network: str | None = None,
        port: str | None = None,
        remotes: tuple[str, ...] = (),
        *,
        frames: int = 1000,
        seconds: float = 10.0,
        snap_bytes: int = 65_535,
    ) -> Document:
        """Frames at ports, or between two nodes: {"nodes": {node: {"places", "frames", "lost"}}, "silent"}."""
        asked: Document = {"frames": frames, "seconds": seconds, "snap_bytes": snap_bytes}
        if network is not None:
            asked["network"] = network
        if port is not None:
            asked["port"] = port
        if remotes:
            asked["remotes"] = list(remotes)
        return request(self.path, "POST", "/v1/capture", asked, seconds + ASK_S)

    def follow(
        self,
        network: str,
        port: str,
        match: str = "any",
        *,
        to: str | None = None,
        seconds: float = 10.0,
        count: int = 5,
    ) -> Document:
        """Real packets of a port, from node to node:
        {"journeys": [{"packet", "hops", "delivered", "end", "said", "by"}],
        "clocks": {node: {"ahead_ns", "within_ns"} or None}, "lost": {node: frames}, "silent": {node: why}}."""
        asked = {"port": port, "match": match, "to": to, "seconds": seconds, "count": count}
        return request(self.path, "POST", f"{network_path(network)}/follow", asked, seconds + ASK_S)

    def doctor(self) -> Document:
        """What is wrong: {"findings": [{"level": "error" | "warning" | "ok", "about", "says"}]}, worst first."""
        return request(self.path, "GET", "/v1/doctor", None, ASK_S)
