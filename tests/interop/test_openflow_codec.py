"""The OpenFlow codec against Debian's ovs-ofctl: it reads what we write, and we obey what it sends.

Not the forwarding behind it: the peer is `crates/openflow/examples/flow_store`, which only keeps flows.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0

Ofctl = Callable[..., str]
pytestmark = pytest.mark.timeout(900)  # where nothing is built yet


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of the built examples; asked for as by `cargo test`, so that what it has built is not built again."""
    command = ["cargo", "build", "--quiet", "--workspace", "--exclude", "tulle-native", "--examples"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / "examples"


@pytest.fixture
def switch(examples: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a running flow store."""
    socket = tmp_path / "switch.sock"
    process = subprocess.Popen([examples / "flow_store", socket], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline() == f"listening on {socket}\n"
            yield f"unix:{socket}"
        finally:
            process.kill()


@pytest.fixture
def ofctl(switch: str, tmp_path: Path) -> Ofctl:
    """Runs `ovs-ofctl COMMAND SWITCH ARGUMENTS`; what is refused raises with its output."""

    def run(command: str, *arguments: str) -> str:
        argv = ["ovs-ofctl", "-O", "OpenFlow13", command, switch, *arguments]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=DEADLINE_S, env=environment(tmp_path)
        )
        output = done.stdout + done.stderr
        if done.returncode != 0 or "OFPT_ERROR" in output:
            raise RuntimeError(output)
        return output

    return run


def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "OVS_RUNDIR": str(tmp_path)}


def flow_lines(dump: str) -> list[str]:
    """The flows of a dump, without the headings of its messages and the counters."""
    return [line.split("n_bytes=180, ", 1)[1] for line in dump.splitlines() if "n_bytes" in line]


def printed(examples: Path, line: str) -> str:
    """What ovs-ofctl prints of the flow mod that we emit for a line."""
    emitted = subprocess.run([examples / "flow_hex"], input=line, capture_output=True, text=True, check=True)
    argv = ["ovs-ofctl", "ofp-print", emitted.stdout.strip()]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


EMITTED = [
    ("add actions=drop", "ADD actions=drop"),
    (
        "add table=3,priority=7,cookie=0x5,idle_timeout=9,tcp,nw_dst=10.0.1.0/24,tcp_dst=80 actions=output:4",
        "ADD table:3 priority=7,tcp,nw_dst=10.0.1.0/24,tp_dst=80 cookie:0x5 idle:9 actions=output:4",
    ),
    (
        "add udp6,ipv6_src=fd00::/64,udp_src=53,ipv6_label=5 actions=NORMAL",
        "ADD udp6,ipv6_src=fd00::/64,ipv6_label=0x00005,tp_src=53 actions=NORMAL",
    ),
    (
        "add reg0=1,reg15=0x10/0xf0,metadata=2,tun_id=3,tun_src=1.2.3.4,tun_dst=5.6.7.8 actions=IN_PORT",
        "ADD reg0=0x1,reg15=0x10/0xf0,tun_id=0x3,tun_src=1.2.3.4,tun_dst=5.6.7.8,metadata=0x2 "
        "actions=IN_PORT",
    ),
    (
        "add icmp,icmp_type=8,icmp_code=0,nw_ttl=1,nw_tos=0x28,nw_ecn=1 actions=dec_ttl,CONTROLLER:128",
        "ADD icmp,nw_tos=40,nw_ecn=1,nw_ttl=1,icmp_type=8,icmp_code=0 actions=dec_ttl,CONTROLLER:128",
    ),
    (
        "add arp,arp_op=1,arp_spa=1.2.3.4,arp_sha=02:00:00:00:00:01 actions=FLOOD",
        "ADD arp,arp_spa=1.2.3.4,arp_op=1,arp_sha=02:00:00:00:00:01 actions=FLOOD",
    ),
    (
        "add icmp6,icmpv6_type=135,nd_target=fe80::1,nd_sll=02:00:00:00:00:01 actions=LOCAL",
        "ADD icmp6,icmp_type=135,nd_target=fe80::1,nd_sll=02:00:00:00:00:01 actions=LOCAL",
    ),
    (
        "add icmp6,icmpv6_type=136,nd_reserved=1,nd_options_type=2,nd_tll=02:00:00:00:00:01 actions=ALL",
        "ADD icmp6,icmp_type=136,nd_tll=02:00:00:00:00:01,nd_reserved=1,nd_options_type=2 actions=ALL",
    ),
    (
        "add tcp,tcp_flags=2/0x12,ip_frag=0,vlan_tci=0x1005 actions=output:4294967294",
        "ADD tcp,dl_vlan=5,dl_vlan_pcp=0,nw_frag=no,tcp_flags=+syn-ack actions=LOCAL",
    ),
    (
        "add vlan_tci=0x1000/0x1000 actions=resubmit(,4),resubmit(7,8),resubmit(9,)",
        "ADD vlan_tci=0x1000/0x1000 actions=resubmit(,4),resubmit(7,8),resubmit:9",
    ),
    (
        "add ip actions=set_field:5->reg1,set_field:0x3/0xf->reg2,set_field:0x101/0x101->reg3,"
        "output:reg5[0..15]",
        "ADD ip actions=set_field:0x5->reg1,load:0x3->NXM_NX_REG2[0..3],set_field:0x101/0x101->reg3,"
        "output:NXM_NX_REG5[0..15]",
    ),
    (
        "add ip actions=set_field:10.0.0.1->nw_src,set_field:0x29->nw_tos,"
        "set_field:02:00:00:00:00:01->dl_src",
        "ADD ip actions=set_field:10.0.0.1->ip_src,set_field:10->ip_dscp,set_field:1->nw_ecn,"
        "set_field:02:00:00:00:00:01->eth_src",
    ),
    (
        "add icmp6 actions=move:ipv6_src->ipv6_dst,move:reg14[0..15]->tun_id[40..55],set_field:1/1->metadata",
        "ADD icmp6 actions=move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],"
        "move:NXM_NX_REG14[0..15]->NXM_NX_TUN_ID[40..55],load:0x1->OXM_OF_METADATA[0]",
    ),
    (
        "add table=2,ip actions=set_field:7->reg0,goto_table:9",
        "ADD table:2 ip actions=set_field:0x7->reg0,goto_table:9",
    ),
    ("modify table=1,ip actions=output:1", "MOD table:1 ip actions=output:1"),
    ("modify_strict table=1,ip actions=output:1", "MOD_STRICT table:1 ip actions=output:1"),
    ("delete table=255,ip actions=drop", "DEL table:255 ip actions=drop"),
    ("delete_strict table=1,priority=3,ip actions=drop", "DEL_STRICT table:1 priority=3,ip actions=drop"),
]


@pytest.mark.parametrize(("line", "expected"), EMITTED)
def test_ovs_ofctl_prints_what_we_emit_as_it_was_meant(examples: Path, line: str, expected: str) -> None:
    assert printed(examples, line) == f"OFPT_FLOW_MOD (OF1.3) (xid=0x1): {expected}"


KEPT = [
    (
        "table=3,priority=5,tcp,reg0=0x1/0xff,tun_id=0x6,tun_src=1.2.3.4,metadata=0x5/0xff,nw_tos=32,nw_frag=no,"
        "tp_dst=80,tcp_flags=+syn",
        "set_field:0x3->reg2,load:0x4->NXM_NX_REG3[0..3],move:NXM_NX_REG0[]->NXM_NX_REG1[],"
        "output:NXM_NX_REG5[],resubmit(,4),resubmit(7,8),dec_ttl,IN_PORT,CONTROLLER:65535,CONTROLLER:99,"
        "set_field:0x7->metadata,goto_table:9",
    ),
    (
        "table=4,icmp6,icmp_type=136,nd_target=fe80::1",
        "set_field:1->nd_reserved,set_field:2->nd_options_type,set_field:ff02::1->ipv6_src,"
        "load:0x7->NXM_NX_IPV6_DST[3..9],resubmit:5",
    ),
    ("table=5,arp,vlan_tci=0x0005/0x0005,arp_spa=1.2.3.0/24,arp_op=1", "output:5,ALL,NORMAL"),
    ("table=253,priority=0", "drop"),
]


def test_flows_that_ovs_ofctl_adds_are_dumped_as_they_were(ofctl: Ofctl) -> None:
    for matching, actions in KEPT:
        ofctl("add-flow", f"{matching},actions={actions}")
    expected = [f"{matching.split(',', 1)[1]} actions={actions}" for matching, actions in KEPT]
    assert flow_lines(ofctl("dump-flows")) == expected
    assert flow_lines(ofctl("dump-flows", "table=5")) == [expected[2]]
    assert "flow_count=4" in ofctl("dump-aggregate")
    assert "flow_count=1" in ofctl("dump-aggregate", "out_port=5")


def test_flows_are_changed_and_deleted_by_match_priority_cookie_and_port(ofctl: Ofctl) -> None:
    ofctl("add-flow", "cookie=1,priority=1,ip,actions=output:1")
    ofctl("add-flow", "cookie=2,priority=2,tcp,actions=output:2")
    ofctl("add-flow", "cookie=3,priority=3,arp,actions=output:3")
    ofctl("mod-flows", "--strict", "priority=1,ip,actions=output:4")
    assert flow_lines(ofctl("dump-flows", "ip"))[0] == "priority=1,ip actions=output:4"
    ofctl("del-flows", "cookie=2/-1")
    ofctl("del-flows", "--strict", "priority=9,arp")
    assert "flow_count=2" in ofctl("dump-aggregate")
    ofctl("del-flows", "out_port=4")
    assert flow_lines(ofctl("dump-flows")) == ["priority=3,arp actions=output:3"]
    ofctl("del-flows")
    assert flow_lines(ofctl("dump-flows")) == []


def test_two_thousand_flows_come_in_several_messages(ofctl: Ofctl, tmp_path: Path) -> None:
    flows = tmp_path / "flows.txt"
    flows.write_text("".join(f"priority={i},ip,nw_dst=10.0.0.1,actions=output:1\n" for i in range(2_000)))
    ofctl("add-flows", str(flows))
    assert len(flow_lines(ofctl("dump-flows"))) == 2_000


REFUSED = [
    ("actions=encap(nsh(md_type=1))", "OFPBAC_BAD_VENDOR_TYPE"),
    ("dp_hash=5,actions=output:1", "OFPBMC_BAD_FIELD"),
]


@pytest.mark.parametrize(("flow", "error"), REFUSED)
def test_what_is_not_supported_is_refused_by_the_right_error(ofctl: Ofctl, flow: str, error: str) -> None:
    with pytest.raises(RuntimeError, match=error):
        ofctl("add-flow", flow)
    assert flow_lines(ofctl("dump-flows")) == []


VERSIONS = ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"]

EVERY_VERSION = [
    "priority=1,tcp,nw_src=10.0.0.0/8,tp_dst=80 actions=output:5",
    "priority=5,icmp,icmp_type=8 actions=controller(reason=invalid_ttl,max_len=100,id=5,userdata=01.02,pause)",
    "priority=7,ip actions=ct(table=4,zone=NXM_NX_REG0[0..15],nat),ct_clear",
    "priority=8,arp,arp_spa=1.2.3.4,arp_op=1 actions=move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],IN_PORT",
    "priority=9,in_port=LOCAL actions=learn(table=1,hard_timeout=10,fin_idle_timeout=3,limit=5,"
    "result_dst=NXM_NX_REG0[8],NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],eth_type=0x800,"
    "load:0x5->NXM_NX_REG1[0..7],load:NXM_OF_IN_PORT[]->NXM_NX_REG1[16..31],output:NXM_OF_IN_PORT[])",
    "priority=10,conj_id=5 actions=note:01.02.03.00.00.00",
    "priority=11,ip actions=conjunction(1,1/2),conjunction(2,2/3)",
    "priority=12,ct_state=+est+trk,tcp actions=clone(clone(output:5)),resubmit(7,8),resubmit(,9,ct),exit",
    "priority=13 actions=multipath(symmetric_l4,1024,hrw,10,0,NXM_NX_REG0[0..5]),"
    "bundle(eth_src,50,hrw,ofport,members:4,8),"
    "bundle_load(eth_src,50,active_backup,ofport,NXM_NX_REG0[0..15],members:4,8)",
    "priority=14 actions=sample(probability=3,collector_set_id=4,obs_domain_id=5,obs_point_id=6),"
    "sample(probability=3,collector_set_id=4,obs_domain_id=5,obs_point_id=6,sampling_port=7,egress)",
    "priority=15 actions=check_pkt_larger(100)->NXM_NX_REG0[3],push:NXM_NX_REG2[1..5],"
    "pop:NXM_NX_REG3[1..5],output(port=5,max_len=100),output:NXM_NX_REG0[]",
    "priority=16,tcp actions=fin_timeout(idle_timeout=5,hard_timeout=10),dec_ttl(1,2),dec_ttl",
    "priority=17,mpls,mpls_label=5,mpls_tc=3,mpls_bos=1 actions=dec_mpls_ttl,pop_mpls:0x0800,output:1",
    "priority=18,ip actions=push_mpls:0x8847,set_queue:5,pop_queue,group:7",
    "priority=20,pkt_mark=0x7,sctp,reg0=0x1/0xf,tun_id=0x5,tun_src=1.2.3.4,tun_gbp_id=4,metadata=0x6,tp_src=5 "
    "actions=FLOOD",
    "priority=21,ipv6,ipv6_src=fd00::/64,ipv6_label=0x00003,nw_ecn=1,nw_ttl=5,nw_frag=first actions=ALL",
    "priority=22,ct_state=+est+trk,ct_ipv6_src=fd00::1,ct_nw_proto=6,ct_tp_src=5,tcp6,tcp_flags=+syn-ack "
    "actions=drop",
]


@pytest.mark.parametrize("version", VERSIONS)
def test_flows_of_every_version_are_dumped_as_they_were(switch: str, tmp_path: Path, version: str) -> None:
    def run(command: str, *arguments: str) -> str:
        argv = ["ovs-ofctl", "-O", version, command, switch, *arguments]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=DEADLINE_S, env=environment(tmp_path)
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    flows = tmp_path / "flows.txt"
    flows.write_text("".join(f"{flow.replace(' actions', ',actions')}\n" for flow in EVERY_VERSION))
    run("add-flows", str(flows))
    assert flow_lines(run("dump-flows")) == EVERY_VERSION


def test_ovs_ofctl_prints_messages_of_every_kind_and_version_that_we_emit(examples: Path) -> None:
    emitted = subprocess.run([examples / "samples"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in emitted.splitlines()]
    assert len(lines) > 250
    for version, name, message in lines:
        printed = subprocess.run(
            ["ovs-ofctl", "ofp-print", message], capture_output=True, text=True, check=True
        )
        output = printed.stdout + printed.stderr
        wrong = ("decode error", "WARN", "unknown")
        assert not any(word in output for word in wrong), f"{version} {name}: {output}"


def test_the_switch_describes_itself_its_ports_and_its_tables(ofctl: Ofctl) -> None:
    shown = ofctl("show")
    assert "dpid:0000020000000001" in shown, shown
    assert "1(p1): addr:02:00:00:00:00:01" in shown, shown
    assert "rx pkts=7" in ofctl("dump-ports")
    assert "1(p1)" in ofctl("dump-ports-desc")
    assert "Manufacturer: Tulle" in ofctl("dump-desc")
    assert "tables 1...253: ditto" in ofctl("dump-tables")
    features = ofctl("dump-table-features")
    assert "next tables: 1-253" in features, features[:2000]
    assert "write_actions write_metadata goto_table" in features, features[:2000]


def test_a_packet_sent_to_the_controller_reaches_a_monitor(ofctl: Ofctl, switch: str, tmp_path: Path) -> None:
    seen = tmp_path / "seen.txt"
    argv = ["ovs-ofctl", "-O", "OpenFlow13", "monitor", switch, "65534"]
    with seen.open("w") as output:
        monitor = subprocess.Popen(argv, stdout=output, stderr=output, env=environment(tmp_path))
    try:
        deadline = time.monotonic() + DEADLINE_S
        while "OFPT_PACKET_IN" not in seen.read_text():
            assert time.monotonic() < deadline, seen.read_text()
            ofctl("packet-out", "in_port=1,packet=ffffffffffff0200000000010800,actions=controller:64")
        assert "total_len=14 in_port=1 (via action) data_len=14 (unbuffered)" in seen.read_text()
    finally:
        monitor.kill()
        monitor.wait()
