"""The example of services, with a real client, the kernel's own SLAAC, and real questions for names.

One node has our switch and the other one Debian's: their agents answer alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest
from lab_bench import Bench
from patience import eventually
from pyroute2 import netns

from tulle.lab import lifecycle
from tulle.lab.measure import frames_captured, run_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "services.yaml"
COOKIE = b"\x63\x82\x53\x63"  # of every message of DHCPv4 (RFC 2131 section 3)
# It leaves the machine's resolver alone, unlike the script that the client comes with.
SCRIPT = r"""#!/bin/sh
env > "$DIRECTORY/$reason"
case "$reason" in
  BOUND|RENEW|REBIND|REBOOT)
    ip addr replace "$new_ip_address/$new_subnet_mask" dev "$interface"
    for router in $new_routers; do ip route replace default via "$router"; done ;;
  BOUND6|RENEW6|REBIND6)
    ip addr replace "$new_ip6_address/128" dev "$interface" nodad ;;
esac
"""


class Services(Bench):
    """The example with workload namespaces of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "serv")
        self.text = re.sub("namespace: (?=shop)", f"namespace: {self.name}-", EXAMPLE.read_text())
        self.path.write_text(self.text)
        self.client_files = directory
        self.script = directory / "client"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)

    def ask(self, name: str, version: int) -> dict[str, str]:
        """Runs a client in a workload until it has an address, and gives what it was told."""
        files = self.client_files / f"{name}-{version}"
        files.mkdir()
        (files / "conf").write_text(
            "option rfc3442 code 121 = array of unsigned integer 8;\nalso request rfc3442;\n"
        )
        own = ["-lf", files / "leases", "-pf", files / "pid", "-cf", files / "conf", "-sf", self.script]
        client = ["dhclient", f"-{version}", "-1", "-e", f"DIRECTORY={files}", *own, "eth0"]
        try:
            done = run_in(self.workload(f"shop-{name}"), [str(one) for one in client], limit_s=60)
            told = next((files / one for one in ("BOUND", "BOUND6") if (files / one).exists()), None)
            assert told is not None, (done.returncode, done.stdout, done.stderr, sorted(files.iterdir()))
            return dict(line.split("=", 1) for line in told.read_text().splitlines() if "=" in line)
        finally:
            if (files / "pid").exists():
                run_in(self.workload(f"shop-{name}"), ["kill", (files / "pid").read_text().strip()])

    def addresses(self, name: str) -> str:
        return self.run(
            self.workload(f"shop-{name}"), "ip", "-o", "addr", "show", "dev", "eth0", "scope", "global"
        )


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    bench = Services(tmp_path_factory.mktemp("lab"))
    try:
        lifecycle.up(bench.path, debian_switches=["node2"])
        yield bench
    finally:
        bench.down()


@pytest.fixture(scope="module")
def told(lab: Services) -> dict[str, str]:
    """What `web1` was told by DHCPv4, after which it has its address."""
    return lab.ask("web1", 4)


def test_a_client_gets_the_address_of_its_port(lab: Services, told: dict[str, str]) -> None:
    shown = lab.json("port", "show", "shop", "web1")
    assert told["new_ip_address"] in shown["addresses"], (told, shown)
    assert told["new_routers"] == "10.9.1.1" and told["new_domain_name_servers"] == "10.9.1.1"
    assert (told["new_host_name"], told["new_domain_name"]) == ("web1", "shop.internal")
    assert (told["new_dhcp_lease_time"], told["new_interface_mtu"]) == ("3600", str(shown["mtu"]))
    assert "dhcp lease_s" in lab.tulle("port", "show", "shop", "web1").stdout
    assert shown["dhcp"]["hostname"] == "web1" and shown["dns_name"] == "web1.shop.internal"


def test_the_kernel_makes_the_address_that_the_network_expects(lab: Services) -> None:
    shown = lab.json("port", "show", "shop", "web2")
    own = next(one for one in shown["addresses"] if ":" in one)
    eventually(lambda: own in lab.addresses("web2"), "the address by SLAAC")
    routes = lab.run(lab.workload("shop-web2"), "ip", "-6", "route", "show", "default")
    assert "via fe80::" in routes and "proto ra" in routes, routes
    assert shown["advertised"] == [
        {"router_port": "core-web", "mode": "slaac", "prefixes": ["fd00:9:1::/64"]}
    ]


def test_a_client_gets_an_ipv6_address_where_the_router_says_so(lab: Services) -> None:
    told = lab.ask("db1", 6)
    assert told["new_ip6_address"] == "fd00:9:2::11", told
    lab.wait_pings("shop-db1", "fd00:9:2::12")
    assert told["new_dhcp6_name_servers"] == "fd00:9:2::1"
    assert told["new_dhcp6_domain_search"].rstrip(".") == "db.shop.internal"


def test_a_client_hears_of_routes(lab: Services) -> None:
    told = lab.ask("db1", 4)
    assert told["new_rfc3442"] == "16 10 99 10 9 2 9 0 10 9 2 1", told


def test_a_switch_without_a_router_is_served_by_its_service_address(lab: Services) -> None:
    told = lab.ask("tool1", 4)
    assert told["new_dhcp_server_identifier"] == "10.9.3.2" and "new_routers" not in told, told


def asked(lab: Services, workload: str, name: str, kind: str, server: str) -> dns.message.Message:
    """What a server says to a workload."""

    def ask() -> dns.message.Message:
        netns.setns(lab.workload(f"shop-{workload}"))
        try:
            return dns.query.udp(dns.message.make_query(name, kind, use_edns=True), server, timeout=5)
        except dns.exception.Timeout as error:
            raise TimeoutError from error

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result(30)


def answers(lab: Services, workload: str, name: str, server: str) -> list[str]:
    """The addresses of a name, as soon as there is one."""

    def found() -> list[str]:
        said = asked(lab, workload, name, "A", server)
        return [str(one) for record in said.answer for one in record]

    return list(eventually(found, f"an address of {name} from {server}"))


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("workload", "server"), [("web1", "10.9.1.1"), ("db2", "10.9.2.1"), ("db2", "fd00:9:2::1")]
)
def test_names_of_ports_are_told_to_workloads(lab: Services, workload: str, server: str) -> None:
    assert answers(lab, workload, "web1.shop.internal", server) == ["10.9.1.2"]
    assert asked(lab, workload, "web9.shop.internal", "A", server).rcode() == dns.rcode.NXDOMAIN
    assert asked(lab, workload, "example.com", "A", server).rcode() == dns.rcode.REFUSED


@pytest.mark.usefixtures("told")
def test_what_was_told_is_true(lab: Services) -> None:
    """Both families, to the other switch and to the other node."""
    ipv6 = next(one for one in lab.json("port", "show", "shop", "web1")["addresses"] if ":" in one)
    eventually(lambda: ipv6 in lab.addresses("web1"), "the address by SLAAC")
    lab.wait_pings("shop-web1", "10.9.2.12")
    lab.wait_pings("shop-web1", "fd00:9:2::12")


def test_a_trace_of_a_discover_ends_at_who_answers_it(lab: Services) -> None:
    match = "udp,src=0.0.0.0,dst=255.255.255.255,sport=68,dport=67"
    done = lab.tulle("trace", "shop", "web1", match)
    assert "answered by DHCP of shop/web" in done.stdout, done


def test_no_question_leaves_its_node(lab: Services) -> None:
    with frames_captured([(lab.node("node1"), "eth0"), (lab.node("node2"), "eth0")]) as seen:
        lab.ask("web2", 4)
        answers(lab, "db2", "web1.shop.internal", "10.9.2.1")
        lab.wait_pings("shop-web2", "10.9.2.11")
    said = [frame for _, frame in seen if COOKIE in frame or b"\x04web1\x04shop" in frame]
    assert len(seen) > 2 and said == [], said
