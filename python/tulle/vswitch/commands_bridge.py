"""`fdb/*` and `bond/*`: what NORMAL has learned, and the members of bonds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tulle._native import NativeError
from tulle.errors import InvalidInput, NotFound, Unavailable
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch.bonds import Bond
from tulle.vswitch.bridge import Bridge
from tulle.vswitch.configuration import NATIVE_LOCAL_PORT

Bridges = Mapping[str, Bridge]
Finder = Callable[[Bridges, str], Bridge]


def register(server: ControlServer, bridges: Bridges, find: Finder) -> None:
    """Offer the commands."""

    def of(action: Callable[[Bridge, list[str]], str]) -> Callable[[list[str]], str]:
        return lambda words: action(find(bridges, words[0]), words[1:])

    server.register("fdb/show", "bridge", of(show_addresses))
    server.register("fdb/flush", "[bridge]", lambda words: flush_addresses(bridges, find, words))
    server.register("fdb/stats-show", "bridge", of(show_statistics))
    server.register("fdb/stats-clear", "[bridge]", lambda words: clear_statistics(bridges, find, words))
    server.register("fdb/add", "bridge port vlan mac", of(add_address))
    server.register("fdb/del", "bridge vlan mac", of(remove_address))
    server.register("bond/list", "", lambda _: list_bonds(bridges))
    server.register("bond/show", "[port]", lambda words: show_bonds(bridges, words))
    for name in ("bond/set-active-member", "bond/set-active-slave"):
        server.register(name, "port member", lambda words: activate(bridges, words[0], words[1]))


def show_addresses(bridge: Bridge, _words: list[str]) -> str:
    """The table of addresses as `ovs-appctl fdb/show` prints it."""
    lines = [" port  VLAN  MAC                Age"]
    for port, vlan, mac, age_s, is_static in bridge.switch.fdb():
        shown = "LOCAL" if port == NATIVE_LOCAL_PORT else str(port)
        lines.append(f"{shown:>5}  {vlan:>4}  {mac}  {'static' if is_static else f'{age_s:>3}'}")
    return "\n".join(lines) + "\n"


def flush_addresses(bridges: Bridges, find: Finder, words: list[str]) -> str:
    """Forget what was learned."""
    for bridge in [find(bridges, words[0])] if words else list(bridges.values()):
        bridge.switch.flush_fdb()
    return "table successfully flushed\n"


def clear_statistics(bridges: Bridges, find: Finder, words: list[str]) -> str:
    """Count from 0 again what learning does."""
    for bridge in [find(bridges, words[0])] if words else list(bridges.values()):
        bridge.switch.clear_fdb_statistics()
    return "statistics successfully cleared\n"


def show_statistics(bridge: Bridge, _words: list[str]) -> str:
    """What learning has done so far."""
    found = bridge.switch.fdb_statistics()
    return (
        f'Statistics for bridge "{bridge.name}":\n'
        f"  Current/maximum MAC entries in the table: {found['current']}/{found['limit']}\n"
        f"  Current static MAC entries in the table : {found['static']}\n"
        f"  Total number of learned MAC entries     : {found['learned']}\n"
        f"  Total number of expired MAC entries     : {found['expired']}\n"
        f"  Total number of evicted MAC entries     : {found['evicted']}\n"
        f"  Total number of port moved MAC entries  : {found['moved']}\n"
    )


def add_address(bridge: Bridge, words: list[str]) -> str:
    """Say where an address is."""
    port, vlan, mac = words
    number = bridge.number(port)
    if number is None:
        raise NotFound(f"bridge {bridge.name} has no port {port}")
    try:
        bridge.switch.add_fdb(_vlan(vlan), mac, number)
    except NativeError as error:
        raise InvalidInput(str(error)) from error
    return ""


def remove_address(bridge: Bridge, words: list[str]) -> str:
    """Forget an address."""
    try:
        found = bridge.switch.remove_fdb(_vlan(words[0]), words[1])
    except NativeError as error:
        raise InvalidInput(str(error)) from error
    if not found:
        raise NotFound(f"no entry for {words[1]} in VLAN {words[0]}")
    return ""


def list_bonds(bridges: Bridges) -> str:
    """A line a bond."""
    lines = ["Bond\tType\tRecircID\tMembers"]
    for _, bond in _bonds(bridges):
        lines.append(f"{bond.config.name}\t{bond.config.bond}\t0\t{', '.join(bond.config.members)}")
    return "\n".join(lines) + "\n"


def show_bonds(bridges: Bridges, words: list[str]) -> str:
    """Bonds with their members, as `ovs-appctl bond/show` prints them."""
    found = [bond for _, bond in _bonds(bridges) if not words or bond.config.name == words[0]]
    if words and not found:
        raise NotFound(f"no bond {words[0]}")
    return "\n".join(_shown(bond) for bond in found)


def activate(bridges: Bridges, name: str, member: str) -> str:
    """Make a member the active one; raises `NotFound` or `Unavailable`."""
    for bridge, bond in _bonds(bridges):
        if bond.config.name != name:
            continue
        if member not in bond.config.members:
            raise NotFound(f"bond {name} has no member {member}")
        if not bond.activate(member):
            raise Unavailable(f"{member} has no link")
        bridge.configure_forwarding()
        return "done\n"
    raise NotFound(f"no bond {name}")


def _shown(bond: Bond) -> str:
    config = bond.config
    lines = [
        f"---- {config.name} ----",
        f"bond_mode: {config.bond}",
        "bond may use recirculation: no, Recirc-ID : -1",
        "bond-hash-basis: 0",
        "lb_output action: disabled, bond-id: -1",
        f"updelay: {config.up_delay_ms} ms",
        f"downdelay: {config.down_delay_ms} ms",
        "lacp_status: off",
        "lacp_fallback_ab: false",
        f"active-backup primary: {config.primary or '<none>'}",
        f"active member: {bond.active or '<none>'}",
        "",
    ]
    for name in config.members:
        lines.append(f"member {name}: {'enabled' if bond.is_enabled(name) else 'disabled'}")
        if name == bond.active:
            lines.append("  active member")
        lines += [f"  may_enable: {'true' if bond.is_enabled(name) else 'false'}", ""]
    return "\n".join(lines)


def _bonds(bridges: Bridges) -> list[tuple[Bridge, Bond]]:
    return [(bridge, bond) for bridge in bridges.values() for bond in bridge.bonds.values()]


def _vlan(text: str) -> int:
    if not text.isdecimal() or int(text) > 4095:
        raise InvalidInput(f"expected a VLAN from 0 to 4095, got {text!r}")
    return int(text)
