"""The agent process: follows the controller and the local switch, and works on with what it knows alone.

When the controller or the switch goes away, the last state stays, and it is connected to again for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import structlog

from tulle import store
from tulle._native import canonical_flow, emit_frame, icmp_error
from tulle.agent import counters
from tulle.agent.answering import Answers
from tulle.agent.appliances import PERIOD_S
from tulle.agent.checks import Checks
from tulle.agent.flowtable import FlowTable
from tulle.agent.following import is_due, is_quiet
from tulle.agent.forgotten import is_counted
from tulle.agent.limiting import limit_flows
from tulle.agent.policy import PolicyPath
from tulle.agent.reconciler import Reconciler
from tulle.agent.services import Advertising, Services
from tulle.agent.situation import Options
from tulle.agent.slowpath import Answer, SlowPath
from tulle.agent.tally import Tally, write_tally
from tulle.agent.totals import Whereabouts, total_objects
from tulle.agent.tracing import Names, sent_by_parent, trace
from tulle.agent.view import INTENT_TABLES, View
from tulle.control.transits import ACTIVATE
from tulle.errors import TulleError, Unavailable
from tulle.openflow import DumpedFlow, OpenFlowClient, PacketIn
from tulle.openflow.meter_stats import metered
from tulle.ovsdb import Replica, RowEvent
from tulle.ovsdb.cluster import Remotes
from tulle.ovsdb.tls import tls_for
from tulle.ovsdb.unixctl import call
from tulle.store import Writer, source
from tulle.values import Limit, LocalPort, NetworkServices
from tulle.vswitch.lifetime import run_until_signal, running

__all__ = ["Agent", "Options", "main", "run"]

RETRY_S = 0.5
POLL_S = 0.1
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.05, 2.0
HEARTBEAT_S = 3.0
COUNTERS_S = 1.0
COUNTERS_SHARE = 30
"""Between two times of counting at least so much longer than one takes."""
CHECKS_S = 0.25
ADVERTISE_S = 1.0
OFPP_CONTROLLER = 0xFFFFFFFD
SWITCH_TABLES = {
    "Open_vSwitch": None,
    "Bridge": ("name", "ports", "fail_mode", "protocols", "datapath_id"),
    "Port": ("name", "interfaces"),
    "Interface": (
        "name",
        "type",
        "options",
        "external_ids",
        "ofport",
        "ifindex",
        "link_state",
        "error",
        "mtu_request",
        "bfd",
        "bfd_status",
    ),
}

_logger = structlog.get_logger(__name__)


class Agent:
    """One agent between start and stop."""

    def __init__(self, options: Options) -> None:
        directory = options.switch
        self.name = options.name
        self.control = directory / "vswitchd.ctl"
        tls = tls_for(Remotes(options.controller).addresses, options.credentials)
        self.intent = Replica(options.controller, "Tulle", INTENT_TABLES, tls=tls)
        own = {
            "Question": [("node", "==", options.name)],
            "Tunnel_End": [("node", "==", options.name), ("remote", "==", options.name)],
            "Port_State": [("node", "==", options.name), ("target", "==", options.name)],
            **{table: [("node", "==", options.name)] for table in ("Counter", "Drop", "Total")},
        }
        self.state = Replica(options.controller, "Tulle_State", conditions=own, tls=tls)
        self.switch = Replica(f"unix:{directory / 'db.sock'}", "Open_vSwitch", SWITCH_TABLES)
        self.openflow = OpenFlowClient(
            f"unix:{directory / 'br-int.mgmt'}", on_connected=self._connected, on_packet=self._answer
        )
        self.tally = Tally()
        self._limits: list[DumpedFlow] = []
        self._whereabouts: tuple[View | None, Whereabouts] = None, Whereabouts()
        self.flows = FlowTable(self.openflow, canonical_flow, self._note_counters, self._is_counted)
        replicas = (self.intent, self.state, self.switch)
        self.reconciler = Reconciler(options, replicas, self.flows, canonical_flow, time.monotonic)
        self.slow_path = SlowPath(icmp_error, time.monotonic)
        self.policy = PolicyPath(icmp_error, time.monotonic, lambda words: _logger.info("acl", **words))
        self.checks = Checks(emit_frame, icmp_error)
        self.services = Services(time.monotonic)
        self.advertising = Advertising()
        self._advertised: tuple[NetworkServices, ...] = ()
        self._changed = asyncio.Event()
        self._is_place_due = True
        """Whether the next pass is to look at everything, or only at what networks are inside."""
        self._advertise_now = asyncio.Event()
        """What routers say of themselves may be other than it was, and is to be told while former flows are there."""
        self._traces = asyncio.Event()
        self._asked = asyncio.Event()
        self._passing = asyncio.Lock()
        look = self._look_at_everything
        self.answers = Answers(self.reconciler, self.flows, self.openflow, self._passing, look)

    async def reconcile(self) -> None:
        """Make a pass after every change that matters, and again soon while something is missing."""
        for replica in (self.intent, self.state, self.switch):
            replica.subscribe(self._notice)
        backoff_s = FIRST_BACKOFF_S
        while True:
            await self._wait()
            self._is_place_due |= not self._changed.is_set()
            self._changed.clear()
            if self._blind() or await self._pass():
                backoff_s = FIRST_BACKOFF_S
                continue
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)
            self._look_at_everything()

    async def _pass(self) -> bool:
        """Make one pass; False if it is to be made again.  Whatever happens, the switch goes on as it is."""
        whole, self._is_place_due = self._is_place_due, False
        try:
            async with self._passing:
                await (self.reconciler.run_once() if whole else self.reconciler.run_logical())
        except TulleError as error:
            _logger.info("not all done", error=str(error))
            return False
        except Exception:
            _logger.exception("pass failed")
            return False
        compiled = self.reconciler.compiled
        self.slow_path.configure(compiled.routers, compiled.reasons)
        self.policy.configure(compiled.reasons, compiled.owners)
        ports, now = self.reconciler.ports, time.monotonic()
        plugged = {*ports, *self.reconciler.sharing}
        self.checks.configure(compiled.probes, plugged, compiled.reasons.items(), now)
        self.services.configure(compiled.services, compiled.reasons, self.reconciler.mtus)
        self.reconciler.health.configure(compiled.reasons)
        if compiled.services != self._advertised:
            self._advertised = compiled.services
            self._advertise_now.set()
        self.reconciler.snooping.listen(compiled.reasons)
        announced, self.reconciler.announced = self.reconciler.announced, []
        self._tell(announced, is_changed=False)
        return True

    async def watch_connections(self) -> None:
        """Make a pass whenever a connection comes back."""
        while True:
            before = (self.state.connected, self.switch.connected, self.intent.connected)
            await asyncio.sleep(POLL_S)
            after = (self.state.connected, self.switch.connected, self.intent.connected)
            if before != after:
                if after[1] and not before[1]:
                    self.reconciler.attacher.forget()
                self._look_at_everything()

    async def beat(self) -> None:
        """Say every few seconds that this node lives."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if self.state.connected:
                writer = Writer(self.state.schema)
                store.write_heartbeat(writer, source(self.state), self.name)
                await self._write(writer)

    async def advertise(self) -> None:
        """Let routers say that they are there."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ADVERTISE_S):
                    await self._advertise_now.wait()
            self._advertise_now.clear()
            if self.openflow.connected:
                ports = {*self.reconciler.ports, *self.reconciler.sharing}
                local = {port.name for port in ports if isinstance(port, LocalPort)}
                services, mtus = self.reconciler.compiled.services, self.reconciler.mtus
                for answer in self.advertising.due(services, mtus, local, time.monotonic()):
                    self.openflow.packet_out(OFPP_CONTROLLER, answer.actions, answer.frame)

    async def count(self) -> None:
        """Report counters every second, as far as they have changed; seldomer where there are many flows.

        Asking for all of them takes no more than a small part of a processor.
        """
        spent_s = 0.0
        while True:
            await asyncio.sleep(max(COUNTERS_S, COUNTERS_SHARE * spent_s))
            before_s = time.process_time()
            if self.state.connected and self.openflow.connected:
                try:
                    await self._count_once()
                except (TulleError, OSError, orjson.JSONDecodeError) as error:
                    _logger.info("counters not written", error=str(error))
                except Exception:
                    # Whatever is wrong with counters, the node must not lose its agent.
                    _logger.exception("counters failed")
            spent_s = time.process_time() - before_s

    async def check(self) -> None:
        """Ask the backends that are here whether they serve, and report what has changed."""
        while True:
            await asyncio.sleep(CHECKS_S)
            if self.openflow.connected:
                try:
                    await self._check_once()
                except Exception:
                    # As with counters: the node must not lose its agent.
                    _logger.exception("health checks failed")

    async def _check_once(self) -> None:
        for question in self.checks.due(time.monotonic()):
            self.openflow.packet_out(OFPP_CONTROLLER, question.actions, question.frame)
        if self.state.connected:
            writer = Writer(self.state.schema)
            store.write_backends(writer, source(self.state), self.name, self.checks.states())
            await self._write(writer)

    async def snoop(self) -> None:
        """Ask for members of groups, and forget those who say no more."""
        while True:
            await asyncio.sleep(CHECKS_S)
            if self.openflow.connected:
                self._tell(*self.reconciler.snooping.due(time.monotonic()))

    def _tell(self, answers: list[Answer], is_changed: bool) -> None:
        for one in answers:
            self.openflow.packet_out(OFPP_CONTROLLER, one.actions, one.frame)
        if is_changed:
            self._look_at_everything()

    async def probe(self) -> None:
        """Look every second whether the appliances here work."""
        while True:
            await asyncio.sleep(PERIOD_S)
            if self.openflow.connected:
                probes, changed = self.reconciler.health.tick()
                for one in probes:
                    self.openflow.packet_out(OFPP_CONTROLLER, f"output:{one.port}", one.frame)
                if changed:
                    self._changed.set()

    async def trace(self) -> None:
        """Answer the traces that ask for this node."""
        while True:
            await self._traces.wait()
            self._traces.clear()
            for request in store.trace_requests(source(self.state), self.name):
                writer = Writer(self.state.schema)
                result = await self._trace_one(request)
                store.write_trace_result(writer, source(self.state), request.id, result)
                await self._write(writer)

    async def answer(self) -> None:
        """Answer the questions to this node, each by itself: a capture takes its time."""
        async with asyncio.TaskGroup() as tasks:
            known: set[str] = set()
            while True:
                await self._asked.wait()
                self._asked.clear()
                waiting = {one.id: one for one in store.questions(source(self.state), self.name)}
                for id in waiting.keys() - known:
                    tasks.create_task(self._answer_one(waiting[id]))
                known = set(waiting)

    async def _answer_one(self, question: store.Question) -> None:
        answer: dict[str, Any] | str
        try:
            answer = await self.answers.answer(question)
        except TulleError as error:
            answer = str(error)
        except Exception as error:
            _logger.exception("question failed")
            answer = f"the agent failed: {error!r}"
        writer = Writer(self.state.schema)
        store.write_answer(writer, source(self.state), question.id, answer)
        await self._write(writer)

    async def _trace_one(self, request: store.TraceRequest) -> store.TraceResult | str:
        compiled, view = self.reconciler.compiled, self.reconciler.view
        names = Names(compiled.owners, compiled.reasons)
        try:
            nodes = view.nodes if view is not None else {}
            ways = self.reconciler.ways(request.network)
            if view is not None:
                request = sent_by_parent(request, view)
            return await trace(self.control, request, self.reconciler.ports, nodes, ways, names)
        except TulleError as error:
            return str(error)
        except Exception as error:
            _logger.exception("trace failed")
            return f"the switch of {self.name} did not answer: {error!r}"

    async def _count_once(self) -> None:
        owners = self.reconciler.compiled.owners
        async with self.flows.reading:
            flows = await self.openflow.dump()
            self._limits = await self._limited()
            self._note_counters(flows)
        ports = self.reconciler.ports.items()
        names = {
            number: port.name if isinstance(port, LocalPort) else f"tunnel {port.node}"
            for port, number in ports
        }
        own = await _switch_drops(self.control)
        # Beside the event loop, which has changes to make meanwhile.
        dropped = await asyncio.to_thread(
            counters.flow_drops, [*flows, *self.flows.gone, *self._limits], owners
        )
        lost = counters.switch_drops(own, names)
        self.tally.note_drops(lost, self._places())
        drops = dropped | lost | self._own_drops()
        writer, state = Writer(self.state.schema), source(self.state)
        if self.reconciler.has_compiled:
            rows = (*state("Counter"), *state("Total"))
            self.tally.begin(row for row in rows if row["node"] == self.name)
            self._forget_counters()
            write_tally(writer, state, self.name, self.tally)
        counters.write_drops(writer, state, self.name, drops)
        await self._write(writer)

    def _note_counters(self, flows: list[DumpedFlow]) -> None:
        compiled = self.reconciler.compiled
        owners = {**self.reconciler.former_owners, **compiled.owners}
        self.tally.note([*flows, *self._limits], owners, self._places())

    def _places(self) -> Whereabouts:
        """As the present view has them; they are found anew when it is another one."""
        view = self.reconciler.view
        if view is not None and view is not self._whereabouts[0]:
            self._whereabouts = view, Whereabouts.of(view.all_networks, view.ids)
        return self._whereabouts[1]

    def _is_counted(self, cookie: int) -> bool:
        owners = self.reconciler.compiled.owners, self.reconciler.former_owners
        return is_counted(cookie, owners, self.reconciler.view, self._whereabouts[1])

    async def _limited(self) -> list[DumpedFlow]:
        """What the limits of ports have dropped by now; what they had when last asked, where nobody answers."""
        if not any(isinstance(one, Limit) for one in self.reconciler.compiled.meters.values()):
            return []
        try:
            return list(limit_flows(self.reconciler.ports, await metered(self.openflow.target)))
        except TulleError as error:
            _logger.info("limits not counted", error=str(error))
            return self._limits

    def _forget_counters(self) -> None:
        """Of what users have deleted."""
        if (view := self.reconciler.view) is not None:
            networks = [stored.network for stored in view.networks.values()]
            known = {found for network in networks for found in counters.counted_objects(network)}
            self.tally.forget(known | {found for network in networks for found in total_objects(network)})

    def _own_drops(self) -> dict[counters.Place, int]:
        """Packets that the agent itself did not answer or send."""
        counts = {f"icmp-error-{what}": count for what, count in self.slow_path.counts.items()}
        del counts["icmp-error-answered"]
        counts |= {
            f"service-{what}": count for what, count in self.services.counts.items() if what != "answered"
        }
        counts["packet-out-backlog"] = self.openflow.packet_outs_dropped
        return {(reason, "", None): count for reason, count in counts.items() if count}

    async def _write(self, writer: Writer) -> None:
        """Write what a later time would write again anyway."""
        if not writer.operations:
            return
        try:
            await self.state.transact(writer.operations)
        except TulleError as error:
            _logger.info("state not written", error=str(error))

    async def _wait(self) -> None:
        """Until something changed, or it is time to look again."""
        timeout = RETRY_S if self.reconciler.attacher.failed else None
        if (end := self.reconciler.next_end()) is not None:
            timeout = min(timeout or end, max(0.0, end - time.monotonic()))
        # Not `wait_for`: Python 3.11's loses a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()

    def _blind(self) -> bool:
        """Whether a replica that is needed was never heard, or the switch is away."""
        try:
            _ = self.intent.schema, self.state.schema
        except Unavailable:
            return True
        return not self.switch.connected or not _heard(self.switch)

    def _notice(self, events: list[RowEvent]) -> None:
        loud = [event for event in events if not is_quiet(event)]
        if any(event.table == "Trace" for event in loud):
            self._traces.set()
        if any(event.table == "Question" for event in loud):
            self._asked.set()
        here = self.reconciler.compilation.latest
        if due := [event for event in loud if is_due(event, self.name, here)]:
            self._is_place_due = self._is_place_due or any(map(self.reconciler.concerns_places, due))
            self._changed.set()

    def _connected(self) -> None:
        self.flows.forget()
        self._look_at_everything()

    def _look_at_everything(self) -> None:
        self._is_place_due = True
        self._changed.set()

    def _answer(self, packet: PacketIn) -> None:
        health = self.reconciler.health
        if health.concerns(packet):
            if health.hear(packet):
                self._changed.set()
            return
        if self.reconciler.snooping.concerns(packet):
            self._tell(*self.reconciler.snooping.hear(packet))
            return
        compiled = self.reconciler.compiled
        if compiled.reasons.get((packet.table, packet.cookie)) == ACTIVATE:
            network, _, port = compiled.owners[packet.cookie].removeprefix("port ").partition("/")
            self.reconciler.activate((network, port))
            self._look_at_everything()
            return
        paths = (self.checks, self.policy, self.services)
        path = next((one for one in paths if one.concerns(packet)), self.slow_path)
        answer = path.answer(packet)
        if answer is not None:
            self.openflow.packet_out(OFPP_CONTROLLER, answer.actions, answer.frame)


async def run(options: Options, leaving: asyncio.Event | None = None) -> None:
    """Run until `leaving` is set."""
    agent = Agent(options)
    async with AsyncExitStack() as stack:
        stack.callback(agent.reconciler.attacher.close)
        stack.callback(agent.answers.close)
        for replica in (agent.intent, agent.state, agent.switch):
            await stack.enter_async_context(replica)
        tasks = (
            agent.reconcile(),
            agent.watch_connections(),
            agent.beat(),
            agent.count(),
            agent.check(),
            agent.probe(),
            agent.snoop(),
            agent.trace(),
            agent.answer(),
            agent.answers.keep_checking(),
            agent.advertise(),
        )
        async with running(agent.openflow.run(), *tasks):
            await (leaving or asyncio.Event()).wait()


def main(options: Options) -> None:
    """Run as a process: SIGTERM and SIGINT end it cleanly, and leave the switch as it is."""
    asyncio.run(run_until_signal(lambda leaving: run(options, leaving)))


async def _switch_drops(control: Path) -> list[dict[str, object]]:
    """The switch's own drops; a switch of another make has none to tell."""
    try:
        found: list[dict[str, object]] = orjson.loads(await call(control, "drops/show", "json"))
    except (OSError, TulleError, orjson.JSONDecodeError):
        return []
    return found


def _heard(replica: Replica) -> bool:
    return any(True for _ in source(replica)("Open_vSwitch"))
