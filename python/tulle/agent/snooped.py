"""The switches of this node that snoop, with the ports whose workloads speak here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from tulle.agent.editions import Live
from tulle.agent.multicast import SnoopedSwitch
from tulle.agent.view import PortName
from tulle.control import in_version
from tulle.values import Ids, LogicalSwitch, Network

NOT_LIVE = Live()


def snooped_switches(
    networks: Iterable[Network], ids: Ids, live: Mapping[str, Live], here: Collection[PortName]
) -> Iterator[SnoopedSwitch]:
    """Those that have a number; `here` are the ports that are served by this node."""
    for network in networks:
        for switch in network.switches:
            number = ids.datapaths.get(f"{network.name}/{switch.name}")
            if switch.multicast is not None and number is not None:
                version = live.get(network.name, NOT_LIVE).stamped
                yield _snooped(network, switch, in_version(number, version), ids, here)


def _snooped(
    network: Network, switch: LogicalSwitch, metadata: int, ids: Ids, here: Collection[PortName]
) -> SnoopedSwitch:
    assert switch.multicast is not None
    path = f"{network.name}/{switch.name}"
    ports, silent = {}, set()
    for port in network.ports:
        key = ids.ports.get(f"{path}/{port.name}") if port.switch == switch.name else None
        if key is not None and ((network.name, port.name) in here or port.localnet is not None):
            ports[key] = port.name
            if port.localnet is not None:
                silent.add(key)
    return SnoopedSwitch(network.name, switch.name, metadata, switch.multicast, ports, frozenset(silent))
