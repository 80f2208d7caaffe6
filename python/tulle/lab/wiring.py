"""Namespaces and cables of a lab, by pyroute2: a bridge as the underlay, one veth cable a host.

Everything is named in the layout, so that `remove` works from the layout alone, whatever was made of it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pyroute2 import NetNS, netns

from tulle.errors import Conflict
from tulle.lab.layout import Host, Layout

BRIDGE = "underlay"
FAR_INDEX = 100
IFA_F_NODAD = 0x02  # linux/if_addr.h


def check_free(layout: Layout) -> None:
    """Refuses where a namespace of the layout exists already: it is somebody else's, and not to be removed."""
    existing = set(netns.listnetns()) & set(layout.namespaces)
    if existing:
        raise Conflict(f"network namespaces exist already: {', '.join(sorted(existing))}")


def build(layout: Layout) -> None:
    """Makes every namespace and cable; none of them may exist, see `check_free`."""
    for namespace in layout.namespaces:
        netns.create(namespace)
    _build_bridge(layout)
    for host in layout.hosts:
        _connect(layout, host)
    for device in layout.physical_devices().values():
        _build_physical(layout, device)
    for namespace in layout.workloads:
        _up(namespace, "lo")


def remove(layout: Layout) -> None:
    """Removes every namespace of the layout that exists; devices in them go with them."""
    for namespace in layout.namespaces:
        if Path("/run/netns", namespace).exists():
            with contextlib.suppress(FileNotFoundError):
                netns.remove(namespace)


def _build_bridge(layout: Layout) -> None:
    with NetNS(layout.underlay) as ns:
        ns.link("add", ifname=BRIDGE, kind="bridge")
        ns.link("set", index=ns.link_lookup(ifname=BRIDGE)[0], state="up", mtu=layout.mtu)


def _build_physical(layout: Layout, device: str) -> None:
    """A bridge, which carries tags as they are, with a cable to each node."""
    with NetNS(layout.underlay) as ns:
        ns.link("add", ifname=device, kind="bridge")
        bridge = ns.link_lookup(ifname=device)[0]
        ns.link("set", index=bridge, state="up", mtu=layout.mtu)
    for host in layout.nodes:
        end = f"{device}-{host.device.removeprefix('port')}"
        with NetNS(host.namespace) as ns:
            peer = {"ifname": end, "net_ns_fd": layout.underlay}
            ns.link("add", ifname=device, kind="veth", peer=peer)
            ns.link("set", index=ns.link_lookup(ifname=device)[0], mtu=layout.mtu, state="up")
        with NetNS(layout.underlay) as ns:
            ns.link("set", index=ns.link_lookup(ifname=end)[0], master=bridge, mtu=layout.mtu, state="up")


def _connect(layout: Layout, host: Host) -> None:
    """A cable from the host's `eth0` to a port of the bridge."""
    with NetNS(host.namespace) as ns:
        peer = {"ifname": host.device, "net_ns_fd": layout.underlay}
        # Ends of equal index may drop everything for a second after coming up.
        ns.link("add", ifname="eth0", kind="veth", index=FAR_INDEX, peer=peer)
        index = ns.link_lookup(ifname="eth0")[0]
        ns.link("set", index=index, mtu=layout.mtu, state="up")
        # Nobody else is there yet: an address that is still probed for could not be listened on.
        flags = IFA_F_NODAD if ":" in host.address else 0
        ns.addr("add", index=index, address=host.address, prefixlen=host.prefix, flags=flags)
    _up(host.namespace, "lo")
    with NetNS(layout.underlay) as ns:
        bridge = ns.link_lookup(ifname=BRIDGE)[0]
        port = ns.link_lookup(ifname=host.device)[0]
        ns.link("set", index=port, master=bridge, mtu=layout.mtu, state="up")


def _up(namespace: str, device: str) -> None:
    with NetNS(namespace) as ns:
        ns.link("set", index=ns.link_lookup(ifname=device)[0], state="up")
