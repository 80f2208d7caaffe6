"""The routes that look at what is so, and change nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from aiohttp import web

from tulle import store
from tulle.errors import InvalidInput

from .http_base import body, json_answer, part
from .inspection import Inspection
from .intent import Intent
from .live import LiveTracer, Wanted
from .progress import behind
from .stores import Store
from .why import with_device

SECONDS_MAX: Final = 600.0


class WhyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """From which port to which, and what: `tcp/443`, `udp/53` or `ping`."""

    source: str
    target: str
    service: str = "ping"


class ProbeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """From one port, or from all."""

    source: str | None = None


class CaptureRequest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A network, one of its ports, or the tunnels between `remotes`; how much and how long."""

    network: str | None = None
    port: str | None = None
    remotes: tuple[str, ...] = ()
    frames: int = 1000
    seconds: float = 10.0
    snap_bytes: int = 65_535


class InspectionRoutes:
    """One handler a route."""

    def __init__(
        self, stores: tuple[Store, Store], intent: Intent, inspection: Inspection, live: LiveTracer
    ) -> None:
        self._sources = store.source(stores[0]), store.source(stores[1])
        self._intent = intent
        self._inspection = inspection
        self._live = live

    def routes(self) -> Iterable[web.RouteDef]:
        """All of them."""
        network = "/v1/networks/{network}"
        return [
            web.post(f"{network}/why", self.why),
            web.get(f"{network}/reach", self.reach),
            web.post(f"{network}/probe", self.probe),
            web.post(f"{network}/follow", self.follow),
            web.get("/v1/flows", self.flows),
            web.post("/v1/capture", self.capture),
            web.get("/v1/doctor", self.doctor),
        ]

    async def why(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/why."""
        given = await body(request, WhyRequest)
        network = self._intent.network(part(request, "network")).network
        return json_answer(await self._inspection.why(network, given.source, given.target, given.service))

    async def reach(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/reach."""
        network = self._intent.network(part(request, "network")).network
        return json_answer(await self._inspection.reach(network))

    async def probe(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/probe."""
        given = await body(request, ProbeRequest)
        network = self._intent.network(part(request, "network")).network
        return json_answer(await self._inspection.probe(network, given.source))

    async def follow(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/follow: answers when the packets have passed, or the time is over."""
        wanted = await body(request, Wanted)
        network = self._intent.network(part(request, "network")).network
        return json_answer(await self._live.follow(network, wanted))

    async def flows(self, request: web.Request) -> web.Response:
        """GET /v1/flows[?network=NETWORK][&node=NODE]."""
        network = request.query.get("network")
        if network is not None:
            self._intent.network(network)
        return json_answer(await self._inspection.flows(network, request.query.get("node")))

    async def capture(self, request: web.Request) -> web.Response:
        """POST /v1/capture: answers when the time is over, or when there is enough."""
        given = await body(request, CaptureRequest)
        if not 0 < given.seconds <= SECONDS_MAX:
            raise InvalidInput(f"a time of up to {SECONDS_MAX:g} s was expected, {given.seconds:g} came")
        if (given.network is None) == (not given.remotes):
            raise InvalidInput("either a network or two nodes were expected")
        if given.network is not None:
            self._check_port(given.network, given.port)
        asked: dict[str, Any] = msgspec.to_builtins(given)
        return json_answer(await self._inspection.capture(asked))

    def _check_port(self, network: str, port: str | None) -> None:
        stored = self._intent.network(network)
        if port is not None:
            with_device(stored.network, port)

    async def doctor(self, _request: web.Request) -> web.Response:
        """GET /v1/doctor."""
        stored = self._intent.networks()
        wanted = {name: one.generation for name, one in stored.items()}
        late = [str(one) for one in behind(*self._sources, wanted)]
        return json_answer(await self._inspection.doctor(stored.values(), late))
