"""Puts a switch port's device into the network namespace of its workload, with addresses and routes.

Everything is looked at first and done only where it differs, so attaching again changes nothing.
Blocking: run it in a thread, see `Attacher`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from errno import EEXIST
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute, netns
from pyroute2.netlink.exceptions import NetlinkError

from tulle.errors import NotFound, Unavailable
from tulle.values import Attachment

NETNS_DIRECTORY = Path("/run/netns")
FIRST_METRIC = 100_000
METRIC_ATTEMPTS = 4
ROUTE_PROTOCOL = 84
"""Marks the routes that are put here (rtnetlink(7), `rtm_protocol`)."""
MAIN_TABLE = 254
RT_SCOPE_LINK = 253
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 0x02, 0x200
AF_INET, AF_INET6 = 2, 10


def attach(attachment: Attachment, device: str, preferred: bool) -> None:
    """Bring `device` where `attachment` wants it; raises `NotFound` or `Unavailable`.

    The workload sends through the `preferred` device while it has two, as it has in a move.
    """
    try:
        if attachment.namespace is None:
            with IPRoute() as here:
                _set_link(here, _index(here, device), attachment, None)
            return
        path = namespace_path(attachment.namespace)
        alias = f"tulle {device} {attachment.port}"
        moved = _move(path, device, alias)
        with _inside(path) as there:
            index = _find(there, alias, moved)
            _configure(there, index, attachment, preferred)
    except NetlinkError as error:
        raise Unavailable(f"cannot attach {device} for {attachment.port}: {error}") from error
    except OSError as error:
        raise Unavailable(
            f"cannot attach {device} for {attachment.port}: {error.strerror or error}"
        ) from error


def namespace_path(namespace: str) -> Path:
    """The file of a namespace, by its name or by the id of a process in it."""
    path = Path(f"/proc/{namespace}/ns/net") if namespace.isdecimal() else NETNS_DIRECTORY / namespace
    if "/" in namespace or not path.exists():
        raise NotFound(f"no network namespace {namespace} on this node")
    return path


@contextlib.contextmanager
def _inside(path: Path) -> Iterator[Any]:
    """A netlink socket of a namespace; this thread is in the namespace meanwhile."""
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        netns.setns(str(path), flags=0)
        try:
            with IPRoute() as there:
                yield there
        finally:
            netns.setns(home.fileno())


def _move(path: Path, device: str, alias: str) -> bool:
    """Move the device if it is still here; the alias tells it from others there."""
    with IPRoute() as here, path.open("rb") as target:
        index = _index(here, device, must=False)
        if index is None:
            return False
        here.link("set", index=index, IFLA_IFALIAS=alias)
        here.link("set", index=index, net_ns_fd=target.fileno())
        return True


def _index(netlink: Any, device: str, must: bool = True) -> int | None:
    found: list[int] = netlink.link_lookup(ifname=device)
    if not found and must:
        raise NotFound(f"no device {device}")
    return found[0] if found else None


def _find(there: Any, alias: str, moved: bool) -> int:
    for link in there.get_links():
        if link.get("ifalias") == alias:
            return int(link["index"])
    raise NotFound(f"device of {alias} is {'lost' if moved else 'neither here nor in its namespace'}")


def _configure(there: Any, index: int, attachment: Attachment, preferred: bool) -> None:
    name = _rename(there, index)
    _set_system(name)
    _set_link(there, index, attachment, there.link("get", index=index)[0])
    with contextlib.suppress(NetlinkError):
        there.link("set", index=there.link_lookup(ifname="lo")[0], state="up")
    if attachment.configures_itself:
        return
    _set_addresses(there, index, attachment.addresses)
    wanted = {_key(one.network.with_prefixlen, None) for one in map(ip_interface, attachment.addresses)}
    wanted |= {_key("default", gateway) for gateway in attachment.gateways}
    for attempt in range(METRIC_ATTEMPTS):
        try:
            _set_routes(there, index, wanted, _metric(there, index, preferred))
            break
        except NetlinkError as error:
            # The agent of another node, where the port comes from or goes to, has just taken the same metric.
            if error.code != EEXIST or attempt == METRIC_ATTEMPTS - 1:
                raise


def _rename(there: Any, index: int) -> str:
    """Give it the first free `ethN`; one that has such a name keeps it."""
    names = {link.get("ifname"): link["index"] for link in there.get_links()}
    mine = next((str(name) for name, number in names.items() if number == index), None)
    if mine is None:
        raise NotFound(f"the device with index {index} went away")
    if mine.startswith("eth"):
        return mine
    free = next(f"eth{number}" for number in range(len(names) + 1) if f"eth{number}" not in names)
    there.link("set", index=index, state="down")
    there.link("set", index=index, ifname=free)
    return free


def _set_system(name: str) -> None:
    """No duplicate address detection, and replies may leave by another device while a port moves."""
    for path, value in ((f"ipv6/conf/{name}/accept_dad", "0"), (f"ipv4/conf/{name}/rp_filter", "2")):
        with contextlib.suppress(OSError):
            Path("/proc/sys/net", path).write_text(value)


def _set_link(netlink: Any, index: int | None, attachment: Attachment, link: Any) -> None:
    if link is not None and link.get("address") != attachment.mac:
        netlink.link("set", index=index, state="down")
        netlink.link("set", index=index, address=attachment.mac)
    if link is None or link.get("mtu") != attachment.mtu:
        netlink.link("set", index=index, mtu=attachment.mtu)
    netlink.link("set", index=index, state="up")


def _set_addresses(there: Any, index: int, wanted: tuple[str, ...]) -> None:
    present = set()
    for row in there.get_addr(index=index):
        text = f"{row.get('address')}/{row['prefixlen']}"
        if ip_interface(text).ip.is_link_local:
            continue
        if text in wanted:
            present.add(text)
        else:
            there.addr("del", index=index, address=row.get("address"), prefixlen=row["prefixlen"])
    for text in wanted:
        if text not in present:
            one = ip_interface(text)
            there.addr(
                "add",
                index=index,
                address=str(one.ip),
                prefixlen=one.network.prefixlen,
                flags=IFA_F_NOPREFIXROUTE | (IFA_F_NODAD if one.version == 6 else 0),
            )


Route = tuple[int, str, str | None]
"""Family, destination (`default` or a prefix) and gateway."""


def _key(destination: str, gateway: str | None) -> Route:
    version = ip_address(gateway).version if gateway is not None else ip_interface(destination).version
    return (AF_INET if version == 4 else AF_INET6, destination, gateway)


def _routes(there: Any) -> list[tuple[Route, int, int]]:
    """The routes made here: (route, device, metric)."""
    out = []
    for family in (AF_INET, AF_INET6):
        for row in there.get_routes(family=family, table=MAIN_TABLE):
            if row["proto"] == ROUTE_PROTOCOL:
                prefix = f"{row.get('dst')}/{row['dst_len']}" if row["dst_len"] else "default"
                out.append(((family, prefix, row.get("gateway")), row.get("oif"), row.get("priority") or 0))
    return out


def _metric(there: Any, index: int, preferred: bool) -> int:
    """This device's metric: better than all others if preferred, worse for one that is new."""
    routes = _routes(there)
    own = [metric for _, device, metric in routes if device == index]
    others = [metric for _, device, metric in routes if device != index]
    if preferred and others and not (own and own[0] < min(others)):
        return max(1, min(others) - 1)
    return own[0] if own else max(others, default=FIRST_METRIC - 1) + 1


def _set_routes(there: Any, index: int, wanted: set[Route], metric: int) -> None:
    """New routes come before old ones go, and prefixes before the gateways inside them."""
    present = [(route, old) for route, device, old in _routes(there) if device == index]
    for route in sorted(wanted, key=lambda one: (one[2] is not None, one[1])):
        if (route, metric) not in present:
            _route(there, "add", index, route, metric)
    for route, old in present:
        if route not in wanted or old != metric:
            _route(there, "del", index, route, old)


def _route(there: Any, command: str, index: int, route: Route, metric: int) -> None:
    family, destination, gateway = route
    columns: dict[str, Any] = {"dst": destination, "oif": index, "priority": metric, "family": family}
    if gateway is not None:
        columns["gateway"] = gateway
    elif family == AF_INET:
        columns["scope"] = RT_SCOPE_LINK
    there.route(command, proto=ROUTE_PROTOCOL, table=MAIN_TABLE, **columns)
