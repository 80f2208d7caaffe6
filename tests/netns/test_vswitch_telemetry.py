"""What collectors hear of a switch: sFlow, NetFlow and IPFIX of real packets, read by tshark and nfdump."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector import Collector, Fields, udp_socket
from patience import PATIENCE_S, eventually
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
NODE = f"tulle-vt-{ID}"
WORKLOADS = (f"tulle-vt1-{ID}", f"tulle-vt2-{ID}")
HEADERS = 28
"""Bytes of an IPv4 and a UDP header."""
SENT = {1001: (1, 0), 1002: (7, 100), 1003: (300, 1400), 1004: (50, 1)}
"""By source port: how many packets, and how many bytes in each."""


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[VswitchProcess]:
    """Two workloads on one bridge, 10.0.0.1 at port 1 and 10.0.0.2 at port 2, that know each other's address."""
    process = None
    for name in (NODE, *WORKLOADS):
        ip("netns", "add", name)
    try:
        ip("-n", NODE, "link", "set", "lo", "up")
        process = VswitchProcess(tmp_path / "vs", NODE)
        process.vsctl("add-br", "br0")
        for number, name in enumerate(WORKLOADS, 1):
            _plug(process, number, name)
        for number, name in enumerate(WORKLOADS, 1):
            other = 3 - number
            mac = _link(WORKLOADS[other - 1], f"p{other}")["address"]
            neighbour = ("neigh", "replace", f"10.0.0.{other}", "lladdr", mac, "dev", f"p{number}")
            ip("-n", name, *neighbour, "nud", "permanent")
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
        for name in (NODE, *WORKLOADS):
            ip("netns", "del", name)


@pytest.fixture
def collector(switch: VswitchProcess) -> Iterator[Collector]:
    made = Collector(switch.namespace)
    yield made
    made.close()


def _plug(process: VswitchProcess, number: int, workload: str) -> None:
    port = f"p{number}"
    words = ("type=internal", f"ofport_request={number}")
    process.vsctl("add-port", "br0", port, "--", "set", "Interface", port, *words)
    ip("-n", NODE, "link", "set", "dev", port, "netns", workload)
    ip("-n", workload, "addr", "add", f"10.0.0.{number}/24", "dev", port)
    ip("-n", workload, "link", "set", port, "up")


def _link(namespace: str, device: str) -> dict[str, Any]:
    (link,) = json.loads(ip("-n", namespace, "-j", "link", "show", device))
    return dict(link)


def collect(switch: VswitchProcess, table: str, *columns: str) -> None:
    """Make a row of sFlow, NetFlow or IPFIX that the bridge refers to."""
    words = ("--", "--id=@row", "create", table, *columns)
    switch.vsctl(*words, "--", "set", "Bridge", "br0", f"{table.lower()}=@row")


def send(sent: dict[int, tuple[int, int]] | None = None) -> None:
    """Send packets from 10.0.0.1 to 10.0.0.2, a few at a time, and wait until they have come, so that none is lost."""
    with udp_socket(WORKLOADS[1], "10.0.0.2", 5000) as receiver:
        receiver.settimeout(PATIENCE_S)
        for port, (packets, size) in (SENT if sent is None else sent).items():
            with udp_socket(WORKLOADS[0], "10.0.0.1", port) as sender:
                for number in range(packets):
                    sender.sendto(bytes(size), ("10.0.0.2", 5000))
                    if number % 20 == 19 or number == packets - 1:
                        _receive(receiver, number % 20 + 1)


def _receive(receiver: Any, packets: int) -> None:
    for _ in range(packets):
        receiver.recv(2000)


def totals(rows: list[dict[str, str]]) -> dict[int, tuple[int, int]]:
    """Packets and IP bytes by source port, of those records that are about what `send` has sent."""
    found: dict[int, tuple[int, int]] = {}
    for row in rows:
        if row["dstaddr"] == "10.0.0.2" and row["dstport"] == "5000":
            before = found.get(int(row["srcport"]), (0, 0))
            found[int(row["srcport"])] = (before[0] + int(row["packets"]), before[1] + int(row["octets"]))
    return found


EXPECTED = {port: (packets, packets * (size + HEADERS)) for port, (packets, size) in SENT.items()}


def udp_records(datagrams: list[Fields], *names: str) -> list[dict[str, str]]:
    """Records of UDP over IPv4, each of its fields by its short name, out of what tshark shows in columns."""
    rows = []
    for one in datagrams:
        columns = [one[f"cflow_cflow_{name}"] for name in ("protocol", *names)]
        assert len({len(column) for column in columns}) == 1, one
        rows += [dict(zip(("protocol", *names), row, strict=True)) for row in zip(*columns, strict=True)]
    return [row for row in rows if row["protocol"] == "17"]


def test_netflow_tells_exactly_what_was_sent(
    switch: VswitchProcess, collector: Collector, tmp_path: Path
) -> None:
    columns = (f'targets="{collector.target}"', "engine_type=3", "engine_id=4")
    collect(switch, "NetFlow", *columns)
    assert switch.vsctl("get", "Bridge", "br0", "status") == "{}"
    send()
    switch.vsctl("clear", "Bridge", "br0", "netflow")
    datagrams = collector.dissected(tmp_path, "cflow")
    names = ("srcaddr", "dstaddr", "srcport", "dstport", "packets", "octets", "inputint", "outputint")
    rows = udp_records(datagrams, *names)
    assert totals(rows) == EXPECTED
    about = {(row["srcaddr"], row["inputint"], row["outputint"]) for row in rows if row["dstport"] == "5000"}
    assert about == {("10.0.0.1", "1", "2")}
    assert datagrams[0]["cflow_cflow_engine_type"] == ["3"]
    assert datagrams[0]["cflow_cflow_engine_id"] == ["4"]


def test_a_flow_of_netflow_ends_when_it_is_idle(switch: VswitchProcess, collector: Collector) -> None:
    collect(switch, "NetFlow", f'targets="{collector.target}"')
    send({1001: (3, 10)})
    eventually(collector.take, "a record of the flow that is over")
    (shown,) = re.findall(r"^netflow_sent .*total: (\d+)$", switch.appctl("coverage/show"), re.M)
    assert int(shown) == len(collector.take())


@pytest.mark.parametrize("cache", ["cache_active_timeout=600 cache_max_flows=1000", "cache_max_flows=0"])
def test_ipfix_tells_exactly_what_was_sent(
    switch: VswitchProcess, collector: Collector, tmp_path: Path, cache: str
) -> None:
    columns = (f'targets="{collector.target}"', "sampling=1", "obs_domain_id=77", "obs_point_id=88")
    collect(switch, "IPFIX", *columns, *cache.split(), "other_config:enable-output-sampling=false")
    send()
    shown = switch.ofctl("dump-ipfix-bridge")
    counted = sum(packets for packets, _ in SENT.values())
    (packets,) = re.findall(r"sampled pkts=(\d+)", shown)
    assert int(packets) >= counted, shown
    switch.vsctl("clear", "Bridge", "br0", "ipfix")
    datagrams = collector.dissected(tmp_path, "cflow")
    assert {value for one in datagrams for value in one["cflow_cflow_od_id"]} == {"77"}
    assert totals(_ipfix_rows(datagrams)) == EXPECTED
    assert {row["observation_point_id"] for row in _ipfix_rows(datagrams)} == {"88"}


def _ipfix_rows(datagrams: list[Fields]) -> list[dict[str, str]]:
    """Records of UDP over IPv4: those that have both ports and an IPv4 address.

    Other packets (IPv6 neighbour discovery) have no ports, so columns of all records are taken apart by protocol.
    """
    rows: list[dict[str, str]] = []
    for one in datagrams:
        common = ("protocol", "packets", "octets", "observation_point_id", "direction")
        records = zip(*(one[f"cflow_cflow_{name}"] for name in common), strict=True)
        addresses = zip(one["cflow_cflow_srcaddr"], one["cflow_cflow_dstaddr"], strict=True)
        ports = zip(one["cflow_cflow_srcport"], one["cflow_cflow_dstport"], strict=True)
        for record in (dict(zip(common, values, strict=True)) for values in records):
            if record["protocol"] == "17":
                (src, dst), (srcport, dstport) = next(addresses), next(ports)
                rows.append(
                    {**record, "srcaddr": src, "dstaddr": dst, "srcport": srcport, "dstport": dstport}
                )
    return rows


def test_ipfix_samples_what_leaves_with_the_port_by_which_it_does(
    switch: VswitchProcess, collector: Collector, tmp_path: Path
) -> None:
    options = "other_config:enable-input-sampling=false"
    collect(switch, "IPFIX", f'targets="{collector.target}"', "sampling=1", options)
    send({1001: (5, 10)})
    switch.vsctl("clear", "Bridge", "br0", "ipfix")
    datagrams = collector.dissected(tmp_path, "cflow")
    assert totals(_ipfix_rows(datagrams)) == {1001: (5, 5 * (10 + HEADERS))}
    assert {row["direction"] for row in _ipfix_rows(datagrams)} == {"1"}
    ports = {value for one in datagrams for value in one["cflow_cflow_outputint"]}
    assert switch.vsctl("get", "Interface", "p2", "ifindex") in ports


def test_the_action_sample_tells_the_collector_set_that_it_names(
    switch: VswitchProcess, collector: Collector, tmp_path: Path
) -> None:
    words = ("--", "--id=@br", "get", "Bridge", "br0", "--", "--id=@ipfix", "create", "IPFIX")
    made = (f'targets="{collector.target}"', "--", "create", "Flow_Sample_Collector_Set")
    switch.vsctl(*words, *made, "id=7", "bridge=@br", "ipfix=@ipfix")
    sample = "sample(probability=65535,collector_set_id={},obs_domain_id=5,obs_point_id=6)"
    switch.ofctl("add-flow", f"priority=9,udp,tp_dst=5000,actions={sample.format(7)},normal")
    switch.ofctl("add-flow", f"priority=9,icmp,actions={sample.format(8)},normal")
    send()
    shown = switch.ofctl("dump-ipfix-flow")
    counted = sum(packets for packets, _ in SENT.values())
    assert re.search(rf"sampled pkts={counted}\b", shown), shown
    switch.vsctl("--all", "destroy", "Flow_Sample_Collector_Set")
    datagrams = collector.dissected(tmp_path, "cflow")
    assert totals(_ipfix_rows(datagrams)) == EXPECTED
    assert {value for one in datagrams for value in one["cflow_cflow_od_id"]} == {"5"}


def test_sflow_samples_every_packet_where_it_is_to_and_tells_counters(
    switch: VswitchProcess, collector: Collector, tmp_path: Path
) -> None:
    columns = (f'targets="{collector.target}"', "sampling=1", "polling=1", "header=64", "agent=lo")
    collect(switch, "sFlow", *columns)
    send()
    names = [f"{name}_{kind}" for name in ("input", "output") for kind in ("interface",)]
    expected = {switch.vsctl("get", "Interface", port, "ifindex") for port in ("p1", "p2", "br0")}

    def counted() -> bool:
        """Counters of all ports, all sent packets among them."""
        found = collector.dissected(tmp_path, "sflow")
        told = {value for one in found for value in one["sflow_sflow_245_ifindex"]}
        received = [int(value) for one in found for value in one["sflow_sflow_245_ifinpkt"]]
        return told >= expected and max(received, default=0) >= sum(one[0] for one in SENT.values())

    eventually(counted, "counters of all ports")
    datagrams = collector.dissected(tmp_path, "sflow")
    assert {value for one in datagrams for value in one["sflow_sflow_245_agent"]} == {"127.0.0.1"}
    inputs, outputs = (
        [v for one in datagrams for v in one[f"sflow_sflow_flow_sample_{name}"]] for name in names
    )
    p1, p2 = (int(switch.vsctl("get", "Interface", port, "ifindex")) for port in ("p1", "p2"))
    one_way = [pair for pair in zip(inputs, outputs, strict=True) if pair == (str(p1), f"{p2:#010x}")]
    assert len(one_way) == sum(packets for packets, _ in SENT.values())
    lengths = [int(v) for one in datagrams for v in one["sflow_sflow_245_header_sampled_header_length"]]
    assert max(lengths) == 64


def test_sflow_samples_about_as_many_as_it_is_to(
    switch: VswitchProcess, collector: Collector, tmp_path: Path
) -> None:
    collect(switch, "sFlow", f'targets="{collector.target}"', "sampling=10", "polling=0")
    packets = 20_000
    send({1001: (packets, 10)})
    switch.vsctl("clear", "Bridge", "br0", "sflow")
    datagrams = collector.dissected(tmp_path, "sflow")
    pools = [int(value) for one in datagrams for value in one["sflow_sflow_flow_sample_sample_pool"]]
    # 2000 distances of standard deviation 5.5: six deviations of their number are 150.
    assert 1850 < len(pools) < 2150
    assert packets - 200 < pools[-1] < packets + 200
    assert {value for one in datagrams for value in one["sflow_sflow_flow_sample_sampling_rate"]} == {"10"}


@pytest.mark.parametrize("table", ["NetFlow", "IPFIX"])
def test_nfdump_reads_exactly_what_was_sent(switch: VswitchProcess, tmp_path: Path, table: str) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    listen = ["nfcapd", "-w", str(flows), "-b", "127.0.0.1", "-p", "9995", "-t", "3600"]
    with subprocess.Popen(["ip", "netns", "exec", NODE, *listen], stdout=subprocess.DEVNULL) as nfcapd:
        try:
            sockets = ("ip", "netns", "exec", NODE, "ss", "-Hlun", "sport", "9995")
            eventually(lambda: switch.run(*sockets), "nfcapd to listen")
            options = ["sampling=1", "other_config:enable-output-sampling=false"] if table == "IPFIX" else []
            collect(switch, table, 'targets="127.0.0.1:9995"', *options)
            send()
            switch.vsctl("clear", "Bridge", "br0", table.lower())
        finally:
            nfcapd.send_signal(signal.SIGTERM)
            nfcapd.wait(PATIENCE_S)
    shown = ("-q", "-N", "-o", "fmt:%sa,%da,%sp,%dp,%pkt,%byt", "proto udp")
    lines = switch.run("nfdump", "-R", str(flows), *shown).splitlines()
    names = ("srcaddr", "dstaddr", "srcport", "dstport", "packets", "octets")
    rows = [dict(zip(names, (word.strip() for word in line.split(",")), strict=True)) for line in lines]
    assert totals(rows) == EXPECTED


def test_collectors_that_are_not_there_keep_no_packet_from_its_way(switch: VswitchProcess) -> None:
    targets = 'targets=["192.0.2.1:9","127.0.0.1:9"]'
    collect(switch, "NetFlow", targets)
    collect(switch, "sFlow", targets, "sampling=1", "agent=lo")
    collect(switch, "IPFIX", targets, "sampling=1")
    send()
    switch.vsctl("set", "NetFlow", ".", "active_timeout=60")
    shown = dict(re.findall(r"^(\w+_unsent) .*total: (\d+)$", switch.appctl("coverage/show"), re.M))
    assert set(shown) == {"netflow_unsent", "sflow_unsent", "ipfix_unsent"}
    # There is no route to the first one.
    assert int(shown["sflow_unsent"]) > 0 and int(shown["ipfix_unsent"]) > 0, shown


def test_what_cannot_be_stands_in_the_bridges_status_and_goes_when_it_is_mended(
    switch: VswitchProcess,
) -> None:
    def status() -> str:
        return str(switch.vsctl("get", "Bridge", "br0", "status"))

    collect(switch, "sFlow", 'targets="192.0.2.1:6343"', "sampling=0")
    eventually(lambda: "no address of the agent" in status(), "the missing route to be said")
    assert "sflow sampling must be 1 to" in status()
    collect(switch, "NetFlow", 'targets="pear"')
    assert "netflow: target 'pear'" in status()
    switch.vsctl(
        "set", "sFlow", ".", "sampling=5", "agent=192.0.2.9", "--", "clear", "Bridge", "br0", "netflow"
    )
    eventually(lambda: status() == "{}", "the status to be empty")


def test_packets_of_tunnels_are_told_with_the_tunnel(switch: VswitchProcess, tmp_path: Path) -> None:
    other = f"tulle-vt3-{ID}"
    ip("netns", "add", other)
    far = None
    collectors = {table: Collector(switch.namespace) for table in ("sFlow", "IPFIX")}
    try:
        ip("link", "add", "u0", "netns", NODE, "type", "veth", "peer", "name", "u0", "netns", other)
        for number, name in enumerate((NODE, other), 1):
            ip("-n", name, "addr", "add", f"192.0.2.{number}/24", "dev", "u0")
            ip("-n", name, "link", "set", "u0", "up")
        far = VswitchProcess(tmp_path / "far", other)
        far.vsctl("add-br", "br0")
        for one, remote in ((switch, "192.0.2.2"), (far, "192.0.2.1")):
            options = ("type=vxlan", f"options:remote_ip={remote}", "options:key=flow", "ofport_request=9")
            one.vsctl("add-port", "br0", "tun", "--", "set", "Interface", "tun", *options)
        for table, collector in collectors.items():
            agent = ("agent=lo",) if table == "sFlow" else ()
            collect(switch, table, f'targets="{collector.target}"', "sampling=1", *agent)
        frame = (
            Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / IP(dst="10.0.0.9") / UDP() / b"hello"
        )
        actions = "actions=set_field:5001->tun_id,output:9"
        packet = f"in_port=LOCAL packet={bytes(frame).hex()} {actions}"

        def told() -> list[Fields]:
            """Until the far switch knows the way, what it sends is lost."""
            far.ofctl("packet-out", packet)
            datagrams = collectors["sFlow"].dissected(tmp_path, "sflow")
            return [one for one in datagrams if "1024" in one["sflow_sflow_245_flow_record_format"]]

        eventually(told, "a sample of a packet out of the tunnel")
        switch.vsctl("clear", "Bridge", "br0", "ipfix")
        messages = collectors["IPFIX"].take()
        key, ends = b"\x03" + (5001).to_bytes(3, "big"), bytes([192, 0, 2, 2, 192, 0, 2, 1])
        assert any(b"\x01" + key + ends + b"\x11" in message for message in messages), messages
        outer = bytes([192, 0, 2, 2, 192, 0, 2, 1])
        assert any(outer in datagram for datagram in collectors["sFlow"].take())
    finally:
        for collector in collectors.values():
            collector.close()
        if far is not None:
            far.stop(signal.SIGKILL)
        ip("netns", "del", other)
