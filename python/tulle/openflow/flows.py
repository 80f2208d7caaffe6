"""The edge where `values.Flow` becomes `ovs-ofctl` text: symbolic ports become numbers.

Flows whose ingress port does not exist are left out, and so are outputs to ports that do not exist:
they come once the port does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec.structs import replace

from tulle import values
from tulle.values import LocalPort, TunnelPort, Zone

Ports = Mapping[LocalPort | TunnelPort | Zone, int | str]
"""Numbers of ports; or their names, where the text is for people."""

CONTROLLER_BYTES = 65535
"""How much of a packet the agent is given: all of it."""

TEXTS_KEPT = 4096
LEARNED_PRIORITY = 100
VLAN_PRESENT = 0x1000
"""The bit of `vlan_vid` that says that there is a tag (OpenFlow 1.3.5, OFPVID_PRESENT)."""

METERS = 60_000
"""As many as the smallest switch that we know has room for."""


FIRST_LIMIT = 0x1_0000
"""Those that limit ports come after them, two for each number that a port can have."""


def emit_flow(flow: values.Flow, ports: Ports, unheard: Collection[TunnelPort] = frozenset()) -> str | None:
    """The text of a flow, not yet canonical; None while a port that it matches or writes does not exist.

    `unheard` are tunnels of whose two ends neither is known to work yet.
    """
    parts = [f"cookie={flow.cookie:#x}", f"table={flow.table}", f"priority={flow.priority}"]
    for one in flow.match:
        text = _match(one, ports)
        if text is None:
            return None
        parts.append(text)
    if any(isinstance(one, values.SetField) and _unknown(one.value, ports) for one in flow.actions):
        return None
    if any(isinstance(one, values.Meter) and one.port not in ports for one in flow.actions):
        return None
    meter = meter_id(flow.cookie)
    actions = [
        text for action in flow.actions if (text := _action(action, ports, meter, unheard)) is not None
    ]
    return f"{','.join(parts)} actions={','.join(actions) or 'drop'}"


def flow_key(canonical: str) -> str:
    """What identifies a flow within a switch: its canonical text without cookie and actions."""
    head = canonical.split(" actions=", 1)[0]
    return head.split(",", 1)[1] if head.startswith("cookie=") else head


def flow_cookie(canonical: str) -> int:
    """The cookie of a flow in canonical text; 0 where none is written."""
    if not canonical.startswith("cookie="):
        return 0
    return int(canonical[len("cookie=") :].split(",", 1)[0], 16)


def flow_texts(
    flows: Iterable[values.Flow],
    ports: Ports,
    canonical: Callable[[str], str],
    unheard: Collection[TunnelPort] = frozenset(),
) -> dict[str, str]:
    """Key to canonical text of all flows that can exist with these ports (see `emit_flow`)."""
    texts = (emit_flow(flow, ports, unheard) for flow in flows)
    made = (canonical(text) for text in texts if text is not None)
    return {flow_key(text): text for text in made}


class FlowTexts:
    """Texts of flows most of which come again and again; between `begin` and `end` those that come are kept."""

    def __init__(self) -> None:
        self._ports: Ports = {}
        self._unheard: frozenset[TunnelPort] = frozenset()
        self._known: dict[values.Flow, tuple[str, str] | None] = {}
        self._asked: dict[values.Flow, tuple[str, str] | None] = {}

    def begin(self, ports: Ports, unheard: frozenset[TunnelPort]) -> None:
        """From now on these are the ports; see `emit_flow`."""
        if ports != self._ports or unheard != self._unheard:
            self._known = {}
        self._ports, self._unheard, self._asked = ports, unheard, {}

    def of(self, flows: Iterable[values.Flow], canonical: Callable[[str], str]) -> dict[str, str]:
        """As `flow_texts`."""
        found = {}
        for one in flows:
            pair = self._known[one] if one in self._known else self._made(one, canonical)
            self._asked[one] = pair
            if pair is not None:
                found[pair[0]] = pair[1]
        return found

    def end(self) -> None:
        """Forget those that have not come; of very many none is kept, as their memory would be worth more."""
        self._known = self._asked if len(self._asked) <= TEXTS_KEPT else {}
        self._asked = {}

    def _made(self, one: values.Flow, canonical: Callable[[str], str]) -> tuple[str, str] | None:
        text = emit_flow(one, self._ports, self._unheard)
        return None if text is None else (flow_key(made := canonical(text)), made)


def _match(one: values.FieldMatch, ports: Ports) -> str | None:
    if isinstance(one.value, LocalPort | TunnelPort | Zone):
        number = ports.get(one.value)
        return None if number is None else f"{one.field}={number}"
    mask = "" if one.mask is None else f"/{_value(one.mask)}"
    return f"{one.field}={_value(one.value)}{mask}"


def _value(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:#x}"


def meter_id(cookie: int) -> int:
    """The meter of those flows of an owner that hand packets over at a bounded rate.

    Two owners whose numbers meet share a meter: together they are handed over as often as one.
    """
    return 1 + cookie % METERS


def limit_meter(port: int | str, *, to_port: bool) -> int | str:
    """The meter that limits what a port sends or gets: no two ports of a switch share one.

    A port without a number yet, where the text is for people, is said by its name.
    """
    return FIRST_LIMIT + 2 * port + to_port if isinstance(port, int) else f"{port}"


def _unknown(value: values.Value, ports: Ports) -> bool:
    return isinstance(value, LocalPort | TunnelPort | Zone) and value not in ports


def _action(action: values.Action, ports: Ports, meter: int, unheard: Collection[TunnelPort]) -> str | None:
    match action:
        case values.SetField(field, value):
            constant = ports[value] if isinstance(value, LocalPort | TunnelPort | Zone) else value
            return f"set_field:{_value(constant)}->{field}"
        case values.Move(src, dst):
            return f"move:{_slice(src)}->{_slice(dst)}"
        case values.DecTtl():
            return "dec_ttl"
        case values.Output(port):
            return _output(port, ports, unheard)
        case values.OutputInPort():
            return "IN_PORT"
        case values.PushVlan(vlan):
            return f"push_vlan:0x8100,set_field:{VLAN_PRESENT | vlan:#x}->vlan_vid"
        case values.PopVlan():
            return "pop_vlan"
        case values.Resubmit(table):
            return f"resubmit(,{table})"
        case values.Controller(_, rate, share):
            number = meter_id(values.cookie_for(share)) if share else meter
            limit = f"controller(max_len={CONTROLLER_BYTES},meter_id={number})"
            return limit if rate else f"CONTROLLER:{CONTROLLER_BYTES}"
        case values.Track(table, zone, nat):
            return f"ct(table={table},zone={_slice(zone)}{',nat' if nat else ''})"
        case values.Untrack():
            return "ct_clear"
        case values.Commit(zone, mark):
            return f"ct(commit,zone={_slice(zone)},exec(set_field:{mark:#x}->ct_mark))"
        case values.Translate(table, zone, end, address, port):
            there = f"nat({end}={_end(address, port)})"
            return f"ct(commit,table={table},zone={_slice(zone)},{there})"
        case values.Choose(into, count, by, basis):
            hashed = "nw_src" if by == "source" else "symmetric_l3l4+udp"
            return f"multipath({hashed},{basis},hrw,{count},0,{_slice(into)})"
        case values.Learn():
            return _learn(action)
        case values.Meter(port, to_port, _):
            return f"meter:{limit_meter(ports[port], to_port=to_port)}"
        case values.Clause(number, clause, clauses):
            return f"conjunction({number},{clause}/{clauses})"


def _learn(one: values.Learn) -> str:
    number = values.cookie_for(one.share)
    match = [f"{each.field}={each.value}" for each in one.match]
    parts = [f"table={one.table},idle_timeout={one.idle_s},priority={LEARNED_PRIORITY},limit={one.limit}"]
    parts += [f"cookie={number:#x}", *match, *one.same, f"load:{one.value:#x}->{_slice(one.into)}"]
    return f"learn({','.join(parts)})"


def _output(port: LocalPort | TunnelPort, ports: Ports, unheard: Collection[TunnelPort]) -> str | None:
    """Of two tunnels to one node the switch takes the first that works, without asking anybody (`bundle`).

    Before either is known to work that would drop everything, so the first is used as one without a second is.
    """
    wanted = [port] if isinstance(port, LocalPort) else [port, replace(port, second=True)]
    numbers = [ports[one] for one in wanted if one in ports]
    if len(numbers) > 1 and port not in unheard:
        return f"bundle(eth_src,0,active_backup,ofport,members:{','.join(map(str, numbers))})"
    return f"output:{numbers[0]}" if numbers else None


def _slice(part: values.Slice) -> str:
    return f"{part.field}[{part.start}..{part.start + part.bits - 1}]"


def _end(address: str, port: int | None) -> str:
    """An address to translate to, with its transport port (ovs-actions(7), `nat`)."""
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def flow_table(canonical: str) -> int:
    """The table of a flow in canonical text."""
    return int(flow_key(canonical).split(",", 1)[0].removeprefix("table="))
