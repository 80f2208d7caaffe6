"""Tunnel ports against the kernel's VXLAN and Debian's Open vSwitch: real packets, both directions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tunnel_peers import (
    INNER,
    INNER_MTU,
    OURS,
    OUTER,
    THEIRS,
    WORKLOAD,
    add_tunnel,
    cable,
    captured,
    check_pings,
    debian_switch,
    dissected,
    drops,
    eventually,
    inside,
    ip,
    joined,
    our_switch,
    pings,
    plug,
    transfer,
)


@pytest.fixture
def wire() -> Iterator[None]:
    with joined():
        yield


def kernel_vxlan(name: str, number: int, version: int, address: str, *options: str) -> None:
    local, remote = OUTER[version][1], OUTER[version][0]
    words = ["type", "vxlan", "id", str(number), "dstport", "4789", "local", local, "remote", remote]
    ip("-n", THEIRS, "link", "add", name, *words, *options)
    ip("-n", THEIRS, "link", "set", name, "addrgenmode", "none")
    ip("-n", THEIRS, "addr", "add", f"{address}/24", "dev", name)
    ip("-n", THEIRS, "link", "set", name, "mtu", INNER_MTU, "up")


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize("version", [4, 6])
def test_a_kernel_vxlan_device_is_a_peer_over_ipv4_and_ipv6(tmp_path: Path, version: int) -> None:
    kernel_vxlan("vx0", 77, version, INNER[1])
    with our_switch(tmp_path / "vs") as switch:
        add_tunnel(switch, "tun", "vxlan", 9, remote_ip=OUTER[version][1], key="77")
        switch.ofctl("add-flow", "in_port=1,actions=output:9")
        switch.ofctl("add-flow", "in_port=9,tun_id=77,actions=output:1")
        check_pings(WORKLOAD, INNER[1], switch.log.read_text()[-2000:])
        check_pings(THEIRS, INNER[0])
        transfer(WORKLOAD, THEIRS, INNER[1])
        transfer(THEIRS, WORKLOAD, INNER[0])
        lost = drops(switch)
        assert not [reason for reason in lost if reason.startswith(("tunnel-", "vxlan-"))], lost


KINDS = {
    "vxlan": ("vxlan", "vxlan.vni", "77"),
    "geneve": ("geneve", "geneve.vni", "0x00004d"),
    "gre": ("gre", "gre.key", "0x0000004d"),
}


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("kind", list(KINDS))
def test_debians_open_vswitch_is_a_peer(tmp_path: Path, kind: str, version: int) -> None:
    protocol, field, value = KINDS[kind]
    theirs = "ip6gre" if (kind, version) == ("gre", 6) else kind
    with our_switch(tmp_path / "vs") as switch, debian_switch(tmp_path / "debian") as debian:
        add_tunnel(switch, "tun", kind, 9, remote_ip=OUTER[version][1], key="flow")
        add_tunnel(
            debian, "tun", theirs, 9, remote_ip=OUTER[version][0], key="77", local_ip=OUTER[version][1]
        )
        switch.ofctl("add-flow", "in_port=1,actions=set_field:77->tun_id,output:9")
        switch.ofctl("add-flow", "in_port=9,tun_id=77,actions=output:1")
        debian.ofctl("add-flow", "in_port=LOCAL,actions=output:9")
        debian.ofctl("add-flow", "in_port=9,actions=LOCAL")
        file = tmp_path / "wire.pcap"
        with captured(OURS, file):
            check_pings(WORKLOAD, INNER[1], f"{switch.log.read_text()[-1500:]} {drops(switch)}")
            check_pings(THEIRS, INNER[0])
        transfer(WORKLOAD, THEIRS, INNER[1])
        transfer(THEIRS, WORKLOAD, INNER[0])
    outer = f"{protocol} && ip{'v6' if version == 6 else ''}.addr=={OUTER[version][0]}"
    assert dissected(file, outer, field) == {(value,)}
    wrong = "_ws.malformed || ip.checksum.status==0 || udp.checksum.status==0 || _ws.expert.severity==error"
    assert not dissected(file, f"({outer}) && ({wrong})", "frame.number", "_ws.expert.message")


@pytest.mark.usefixtures("wire")
def test_flows_choose_among_several_peers_by_address_and_key(tmp_path: Path) -> None:
    """Two peers over IPv4, told apart by their addresses, and one over IPv6; nothing is configured of any of them."""
    ip("-n", THEIRS, "addr", "add", "192.0.2.3/24", "dev", "u0")
    peers = {
        "10.0.1.2": (4, "192.0.2.2", 5),
        "10.0.2.2": (4, "192.0.2.3", 6),
        "10.0.3.2": (6, OUTER[6][1], 7),
    }
    with our_switch(tmp_path / "vs") as switch:
        add_tunnel(switch, "tun", "vxlan", 9, remote_ip="flow", key="flow")
        for index, (inner, (version, outer, key)) in enumerate(peers.items()):
            local = OUTER[version][0]
            words = ["type", "vxlan", "id", str(key), "dstport", "4789", "local", outer, "remote", local]
            ip("-n", THEIRS, "link", "add", f"vx{index}", *words)
            ip("-n", THEIRS, "addr", "add", f"{inner}/24", "dev", f"vx{index}")
            ip("-n", THEIRS, "link", "set", f"vx{index}", "mtu", INNER_MTU, "up")
            ip("-n", WORKLOAD, "addr", "add", f"{inner[:-2]}.1/24", "dev", "tap1")
            field = "tun_dst" if version == 4 else "tun_ipv6_dst"
            source = field.replace("dst", "src")
            out = f"set_field:{key}->tun_id,set_field:{outer}->{field},output:9"
            for match in (f"arp,arp_tpa={inner}", f"ip,nw_dst={inner}"):
                switch.ofctl("add-flow", f"in_port=1,{match},actions={out}")
            switch.ofctl("add-flow", f"in_port=9,tun_id={key},{source}={outer},actions=output:1")
        for inner in peers:
            check_pings(WORKLOAD, inner, switch.log.read_text()[-2000:])


@pytest.mark.usefixtures("wire")
def test_a_peer_without_a_way_is_counted_and_another_goes_on(tmp_path: Path) -> None:
    kernel_vxlan("vx0", 5, 4, INNER[1])
    with our_switch(tmp_path / "vs") as switch:
        add_tunnel(switch, "tun", "vxlan", 9, remote_ip="flow", key="5")
        switch.ofctl("add-flow", f"in_port=1,actions=set_field:{OUTER[4][1]}->tun_dst,output:9")
        switch.ofctl("add-flow", "in_port=9,actions=output:1")
        lost = "priority=40000,in_port=1,udp,actions=set_field:203.0.113.9->tun_dst,output:9"
        switch.ofctl("add-flow", lost)
        switch.ofctl("add-flow", "priority=40000,in_port=1,tcp,actions=output:9")
        check_pings(WORKLOAD, INNER[1])
        for word in ("udp", "tcp"):
            inside(
                WORKLOAD, "bash", "-c", f"(echo x > /dev/{word}/{INNER[1]}/9) & sleep 0.3; kill $! || true"
            )
        eventually(lambda: drops(switch).get("no-next-hop", 0) > 0, "the packet without a way to be counted")
        eventually(lambda: drops(switch).get("tunnel-no-remote", 0) > 0, "the packet without a remote")
        check_pings(WORKLOAD, INNER[1])


@pytest.mark.usefixtures("wire")
def test_a_tunnel_that_cannot_be_opened_is_said_and_others_of_its_bridge_are_made(tmp_path: Path) -> None:
    kernel_vxlan("vx0", 77, 4, INNER[1])
    ip("-n", OURS, "tuntap", "add", "dev", "t0", "mode", "tun")
    ip("-n", OURS, "addr", "add", "198.51.100.1/24", "dev", "t0")
    ip("-n", OURS, "link", "set", "t0", "up")
    with our_switch(tmp_path / "vs") as switch:
        bad = ["set", "Interface", "bad", "type=vxlan", "options:remote_ip=198.51.100.2"]
        switch.vsctl("--no-wait", "add-port", "br0", "bad", "--", *bad)
        add_tunnel(switch, "tun", "vxlan", 9, remote_ip=OUTER[4][1], key="77")
        assert "t0 is no Ethernet device" in switch.vsctl("get", "Interface", "bad", "error")
        assert switch.vsctl("get", "Interface", "tun", "error") == "[]"
        switch.ofctl("add-flow", "in_port=1,actions=output:9")
        switch.ofctl("add-flow", "in_port=9,actions=output:1")
        check_pings(WORKLOAD, INNER[1], switch.log.read_text()[-2000:])


@pytest.mark.usefixtures("wire")
def test_bridges_share_ports_and_a_packet_that_nobody_wants_is_counted_once(tmp_path: Path) -> None:
    for key, address in ((5, "10.0.0.2"), (6, "10.0.6.2"), (7, "10.0.7.2")):
        kernel_vxlan(f"vx{key}", key, 4, address)
    with our_switch(tmp_path / "vs") as switch:
        switch.vsctl("add-br", "br1", "--", "set-fail-mode", "br1", "secure")
        plug(switch, "br1", "tap6", 1, "10.0.6.1")
        for bridge, key in (("br0", "5"), ("br1", "6")):
            add_tunnel(switch, f"tun{key}", "vxlan", 9, bridge, remote_ip=OUTER[4][1], key=key)
            switch.ofctl("add-flow", "in_port=1,actions=output:9", bridge=bridge)
            switch.ofctl("add-flow", "in_port=9,actions=output:1", bridge=bridge)
        check_pings(WORKLOAD, "10.0.0.2", switch.log.read_text()[-2000:])
        check_pings(WORKLOAD, "10.0.6.2")

        def unknown() -> int:
            return sum(drops(switch, bridge).get("tunnel-unknown-peer", 0) for bridge in ("br0", "br1"))

        ip("-n", THEIRS, "neigh", "add", "10.0.7.9", "lladdr", "02:00:00:00:07:09", "dev", "vx7")
        before = unknown()
        for _ in range(3):
            assert not pings(THEIRS, "10.0.7.9", "-W", "0.1")
        eventually(lambda: unknown() - before >= 3, "unknown packets to be counted")
        assert unknown() - before == 3


@pytest.mark.usefixtures("wire")
def test_what_a_tunnel_cannot_be_is_said(tmp_path: Path) -> None:
    with our_switch(tmp_path / "vs") as switch:
        add_tunnel(switch, "one", "vxlan", 9, remote_ip=OUTER[4][1], key="5")

        def refused(name: str, kind: str, **options: str) -> str:
            settings = [f"options:{option}={value}" for option, value in options.items()]
            words = ["add-port", "br0", name, "--", "set", "Interface", name, f"type={kind}", *settings]
            switch.vsctl("--no-wait", *words)
            eventually(
                lambda: switch.vsctl("get", "Interface", name, "ofport") == "-1", f"{name} to be refused"
            )
            error = switch.vsctl("get", "Interface", name, "error")
            switch.vsctl("del-port", name)
            return error

        assert "same tunnel as port one" in refused("two", "vxlan", remote_ip=OUTER[4][1], key="5")
        assert "cannot share its port with vxlan" in refused(
            "two", "geneve", remote_ip=OUTER[4][1], dst_port="4789"
        )
        assert "option ttl must be a number" in refused("two", "geneve", remote_ip=OUTER[4][1], ttl="pear")
        assert "0 to 0xffffff" in refused("two", "vxlan", remote_ip=OUTER[4][1], key="0x1000000")
        add_tunnel(switch, "two", "vxlan", 10, remote_ip=OUTER[4][1], key="6")
        assert switch.vsctl("get", "Interface", "two", "ofport") == "10"


@pytest.mark.usefixtures("wire")
def test_the_outer_header_looks_as_the_port_says_and_flows_match_it(tmp_path: Path) -> None:
    """Type of service, TTL and the group policy, which the kernel takes from the mark of a packet."""
    kernel_vxlan("vx0", 5, 4, INNER[1], "gbp", "udpcsum")
    with our_switch(tmp_path / "vs") as switch:
        look = {"tos": "0x20", "ttl": "9", "exts": "gbp", "csum": "true", "df_default": "false"}
        add_tunnel(switch, "tun", "vxlan", 9, remote_ip=OUTER[4][1], key="5", **look)
        switch.ofctl("add-flow", "in_port=1,actions=set_field:0x55->tun_gbp_id,output:9")
        switch.ofctl("add-flow", "in_port=9,tun_gbp_id=0,tun_flags=-oam,actions=output:1")
        switch.ofctl(
            "add-flow", "priority=40000,in_port=9,icmp,icmp_type=8,tun_gbp_id=0x123,actions=output:1"
        )
        switch.ofctl("add-flow", "priority=40000,in_port=9,icmp,icmp_type=8,tun_gbp_id=0,actions=drop")
        file = tmp_path / "wire.pcap"
        with captured(OURS, file):
            check_pings(WORKLOAD, INNER[1], switch.ofctl("dump-flows"))
            assert not pings(THEIRS, INNER[0])
            assert pings(THEIRS, INNER[0], "-m", str(0x123))
    fields = ("ip.ttl", "ip.dsfield", "ip.flags.df", "udp.checksum.status", "vxlan.gbp")
    ours = dissected(file, f"vxlan && ip.src=={OUTER[4][0]} && icmp.type==8", *fields)
    assert {tuple(field.split(",")[0] for field in row) for row in ours} == {("9", "0x20", "0", "1", "85")}, (
        ours
    )


@pytest.mark.usefixtures("wire")
def test_flows_mark_packets_for_the_control_plane_of_a_geneve_peer(tmp_path: Path) -> None:
    with our_switch(tmp_path / "vs") as switch, debian_switch(tmp_path / "debian") as debian:
        for one, other in ((switch, OUTER[4][1]), (debian, OUTER[4][0])):
            add_tunnel(one, "tun", "geneve", 9, remote_ip=other, key="flow", dst_port="6099")
        switch.ofctl("add-flow", "in_port=1,actions=set_field:oam->tun_flags,output:9")
        switch.ofctl("add-flow", "in_port=9,tun_flags=+oam,actions=output:1")
        debian.ofctl("add-flow", "in_port=LOCAL,actions=set_field:oam->tun_flags,output:9")
        debian.ofctl("add-flow", "in_port=9,tun_flags=+oam,actions=LOCAL")
        check_pings(WORKLOAD, INNER[1], f"{switch.ofctl('dump-flows')} {debian.ofctl('dump-flows')}")


@pytest.mark.usefixtures("wire")
def test_geneve_options_pass_between_debians_open_vswitch_and_ours(tmp_path: Path) -> None:
    """Each side maps the same options, critical ones too, sets them, and wants those of the other."""
    with our_switch(tmp_path / "vs") as switch, debian_switch(tmp_path / "debian") as debian:
        for one, other in ((switch, OUTER[4][1]), (debian, OUTER[4][0])):
            add_tunnel(one, "tun", "geneve", 9, remote_ip=other, key="7")
            one.ofctl("add-tlv-map", "{class=0x102,type=0x80,len=4}->tun_metadata0")
            one.ofctl("add-tlv-map", "{class=0xff01,type=1,len=8}->tun_metadata1")
        ours, theirs = (0x1234, 0x0102030405060708), (0x5678, 0x1112131415161718)
        for one, port, own, wanted in ((switch, "1", ours, theirs), (debian, "LOCAL", theirs, ours)):
            values = "".join(f"set_field:{value:#x}->tun_metadata{at}," for at, value in enumerate(own))
            match = ",".join(f"tun_metadata{at}={value:#x}" for at, value in enumerate(wanted))
            one.ofctl("add-flow", f"in_port={port},actions={values}output:9")
            one.ofctl("add-flow", f"in_port=9,{match},actions=output:{port}")
        file = tmp_path / "wire.pcap"
        with captured(OURS, file):
            check_pings(WORKLOAD, INNER[1], f"{drops(switch)} {debian.ofctl('dump-flows')}")
            check_pings(THEIRS, INNER[0])
    assert not dissected(file, "geneve && (_ws.malformed || _ws.expert.severity==error)", "frame.number")


@pytest.mark.usefixtures("wire")
def test_packets_follow_the_kernels_route_to_another_device(tmp_path: Path) -> None:
    """The peer's address is behind either of two wires; the answers come by the first one all the time."""
    cable(OURS, THEIRS, "u1", (("198.51.100.1/24",), ("198.51.100.2/24",)))
    ip("-n", THEIRS, "addr", "add", "203.0.113.2/32", "dev", "lo")
    ip("-n", OURS, "route", "add", "203.0.113.2", "via", OUTER[4][1], "dev", "u0")
    words = ["type", "vxlan", "id", "5", "dstport", "4789", "local", "203.0.113.2", "remote", OUTER[4][0]]
    ip("-n", THEIRS, "link", "add", "vx0", *words)
    ip("-n", THEIRS, "addr", "add", f"{INNER[1]}/24", "dev", "vx0")
    ip("-n", THEIRS, "link", "set", "vx0", "mtu", INNER_MTU, "up")
    with our_switch(tmp_path / "vs") as switch:
        add_tunnel(switch, "tun", "vxlan", 9, remote_ip="203.0.113.2", local_ip=OUTER[4][0], key="5")
        switch.ofctl("add-flow", "in_port=1,actions=output:9")
        switch.ofctl("add-flow", "in_port=9,actions=output:1")
        check_pings(WORKLOAD, INNER[1])

        def received(device: str) -> int:
            return int(inside(THEIRS, "cat", f"/sys/class/net/{device}/statistics/rx_packets"))

        ip("-n", OURS, "route", "replace", "203.0.113.2", "via", "198.51.100.2", "dev", "u1")
        before = received("u1")
        eventually(
            lambda: pings(WORKLOAD, INNER[1]) and received("u1") > before + 3, "packets on the other wire"
        )
        check_pings(WORKLOAD, INNER[1])
        ip("-n", OURS, "link", "set", "u1", "down")
        ip("-n", OURS, "route", "replace", "203.0.113.2", "via", OUTER[4][1], "dev", "u0")
        check_pings(WORKLOAD, INNER[1], switch.log.read_text()[-2000:])
