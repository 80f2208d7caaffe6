"""Tags, physical networks and groups, with the flows of real nodes and the bytes of real frames."""

from __future__ import annotations

from functools import cache

from memory_lab import MemoryLab
from memory_node import Delivered, End, Hop, Punted
from minutes import ROOT
from msgspec.structs import replace

from tulle._native import emit_frame
from tulle.agent.multicast import emit_query
from tulle.control.localnets import Physical
from tulle.logical import parse_file
from tulle.values import ROUTER_GROUP, LabFile, LocalPort, Membership, Multicast
from tulle.values.moving import Transit

EXAMPLE = ROOT / "examples" / "layer-two.yaml"
EVERYBODY = "ff:ff:ff:ff:ff:ff"
OUTSIDER = "02:00:00:00:99:99"
GROUP, GROUP_MAC = "239.1.2.3", "01:00:5e:01:02:03"
CAMPUS = frozenset({"campus"})


@cache
def document() -> LabFile:
    return parse_file(EXAMPLE.read_text(), EXAMPLE.name)


def mac(port: str) -> str:
    return next(one.mac for one in document().networks[0].ports if one.name == port)


def home(port: str) -> str | None:
    return next(one.node for one in document().networks[0].ports if one.name == port)


def lab(physical: tuple[str, ...] = (), joined: tuple[tuple[str, str], ...] = ()) -> MemoryLab:
    """The example; `physical` are the nodes with the campus network, `joined` who is in which group."""
    made = MemoryLab(document())
    for node in made.nodes.values():
        speakers = {("shop", "floor"): physical[0]} if physical else {}
        node.physical = Physical(dict.fromkeys(physical, CAMPUS), speakers)
        node.memberships = frozenset(Membership("shop", "video", group, port) for group, port in joined)
    made.apply(document().networks)
    return made


def tagged(frame: bytes, vlan: int) -> bytes:
    return frame[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + frame[12:]


def got(hops: list[Hop]) -> dict[str, list[bytes]]:
    """The frames that left, by port."""
    found: dict[str, list[bytes]] = {}
    for end in ends(hops):
        if isinstance(end, Delivered):
            found.setdefault(end.port.removeprefix("shop/"), []).append(end.frame)
    return found


def ends(hops: list[Hop]) -> list[End]:
    return [end for hop in hops for end in hop.ends]


def udp(source: str, target: str, addresses: str = "nw_src=10.1.10.11,nw_dst=10.1.10.12") -> bytes:
    return emit_frame(f"udp,dl_src={source},dl_dst={target},{addresses},udp_src=1,udp_dst=2")


def test_what_a_guest_tags_comes_from_its_child_port_and_goes_back_tagged() -> None:
    there = lab()
    frame = udp(mac("host1-blue"), mac("blue2"))
    assert got(there.send("shop/host1", tagged(frame, 10))) == {"blue2": [frame]}
    back = udp(mac("blue2"), mac("host1-blue"), "nw_src=10.1.10.12,nw_dst=10.1.10.11")
    assert got(there.send("shop/blue2", back)) == {"host1": [tagged(back, 10)]}
    telnet = emit_frame(f"tcp,dl_src={mac('blue2')},dl_dst={mac('host1-blue')},nw_src=10.1.10.12,tcp_dst=23")
    assert got(there.send("shop/blue2", telnet)) == {}, "a child has its own ACLs"


def test_a_flood_reaches_each_port_as_it_wants_it() -> None:
    there = lab()
    frame = udp(mac("green1"), EVERYBODY)
    assert got(there.send("shop/green1", frame)) == {"host1": [tagged(frame, 20)]}
    own = udp(mac("host1-green"), EVERYBODY)
    assert got(there.send("shop/host1", tagged(own, 20))) == {"green1": [own]}


def test_a_question_for_an_address_is_answered_with_the_tag_that_it_had() -> None:
    there = lab()
    asked = emit_frame(
        f"arp,dl_src={mac('host1-blue')},dl_dst={EVERYBODY},arp_op=1,arp_sha={mac('host1-blue')},"
        "arp_spa=10.1.10.11,arp_tpa=10.1.10.12"
    )
    (answer,) = got(there.send("shop/host1", tagged(asked, 10)))["host1"]
    assert answer[12:16] == b"\x81\x00\x00\x0a"
    assert answer[:6].hex(":") == mac("host1-blue") and answer[6:12].hex(":") == mac("blue2")


def test_a_tag_that_is_no_childs_ends_at_the_switch_that_refuses_it() -> None:
    there = lab()
    frame = tagged(udp(mac("host1"), EVERYBODY), 99)
    assert got(there.send("shop/host1", frame)) == {}
    assert got(there.send("shop/blue2", tagged(udp(mac("blue2"), mac("host1-blue")), 10))) == {}


def test_a_transparent_switch_carries_tags_as_they_are() -> None:
    network = document().networks[0]
    open_blue = tuple(
        type(one)(one.name, one.subnets, vlan="transparent" if one.name == "green" else "refuse")
        for one in network.switches
    )
    there = MemoryLab(document())
    there.apply((replace(network, switches=open_blue),))
    frame = tagged(udp(mac("green1"), mac("host1-green")), 7)
    assert got(there.send("shop/green1", frame)) == {"host1": [tagged(frame, 20)]}


def test_each_frame_of_a_joined_switch_arrives_once_wherever_it_comes_from() -> None:
    there = lab(("node1", "node2"))
    desks = {"desk1", "desk2", "desk3"}
    for sender in sorted(desks):
        frame = udp(mac(sender), EVERYBODY)
        found = got(there.send(f"shop/{sender}", frame))
        assert found.pop("/campus") == [tagged(frame, 100)], sender
        assert found == {one: [frame] for one in desks - {sender}}, sender
    frame = udp(OUTSIDER, EVERYBODY)
    found: dict[str, list[bytes]] = {}
    for node in ("node1", "node2"):
        hops = there._follow(there.nodes[node].receive(LocalPort("/campus"), tagged(frame, 100)))
        for port, frames in got(hops).items():
            found.setdefault(port, []).extend(frames)
    assert found == {one: [frame] for one in desks}


def test_nodes_that_do_not_know_of_each_other_send_nothing_round() -> None:
    """Each takes the other for one that does not have the physical network, and nobody speaks yet, or one does."""
    for speaker in (None, "node1", "node3"):
        there = lab(("node1", "node3"))
        for name, node in there.nodes.items():
            speakers = {("shop", "floor"): speaker} if speaker is not None else {}
            node.physical = Physical({name: CAMPUS} if name != "node2" else {}, speakers)
        there.apply(document().networks)
        for sender in ("desk1", "desk2", "desk3"):
            there.send(f"shop/{sender}", udp(mac(sender), EVERYBODY))
        for node in ("node1", "node3"):
            frame = tagged(udp(OUTSIDER, EVERYBODY), 100)
            there._follow(there.nodes[node].receive(LocalPort("/campus"), frame))


def test_between_nodes_with_the_physical_network_no_tunnel_is_used() -> None:
    there = lab(("node1", "node2"))
    frame = udp(mac("desk1"), mac("desk2"))
    hops = there.send("shop/desk1", frame)
    assert got(hops) == {"/campus": [tagged(frame, 100)], "desk2": [frame]}
    assert [hop.entered for hop in hops] == ["port shop/desk1", "port /campus"]
    far = udp(mac("desk1"), mac("desk3"))
    assert got(there.send("shop/desk1", far)) == {"desk3": [far]}
    assert got(there.send("shop/desk3", udp(mac("desk3"), mac("desk2")))).keys() == {"desk2"}


def test_unknown_addresses_are_looked_for_in_the_physical_network() -> None:
    there = lab(("node2",))
    for sender in ("desk1", "desk2", "desk3"):
        frame = udp(mac(sender), OUTSIDER)
        assert got(there.send(f"shop/{sender}", frame)) == {"/campus": [tagged(frame, 100)]}, sender
    asked = emit_frame(
        f"arp,dl_src={mac('desk1')},dl_dst={EVERYBODY},arp_op=1,arp_sha={mac('desk1')},arp_tpa=10.1.30.99"
    )
    assert got(there.send("shop/desk1", asked))["/campus"] == [tagged(asked, 100)]


def test_what_comes_from_the_physical_network_is_answered_by_its_owner_alone() -> None:
    there = lab(("node1", "node2"))
    asked = emit_frame(
        f"arp,dl_src={OUTSIDER},dl_dst={EVERYBODY},arp_op=1,arp_sha={OUTSIDER},arp_tpa=10.1.30.11"
    )
    hops = there._follow(there.nodes["node2"].receive(LocalPort("/campus"), tagged(asked, 100)))
    assert got(hops) == {"desk2": [asked]}
    other = there._follow(there.nodes["node1"].receive(LocalPort("/campus"), tagged(asked, 99)))
    assert got(other) == {}, "another VLAN is another network"
    hops = there._follow(there.nodes["node1"].receive(LocalPort("/campus"), tagged(asked, 100)))
    assert got(hops) == {"desk1": [asked], "desk3": [asked]}, (
        "what the speaker passes on is answered by nobody else"
    )


def test_what_still_comes_from_the_physical_network_for_a_port_that_moves_finds_it() -> None:
    """Leaving the speaker, or coming to it: the physical network learns last where a port is."""
    for port, old, new, first in (("desk1", "node1", "node2", "node1"), ("desk2", "node2", "node1", "node1")):
        there = lab(("node1", "node2"))
        there.move(f"shop/{port}", new, Transit("shop", port, old, comes=True))
        there.move(f"shop/{port}", old, Transit("shop", port, new, comes=False))
        frame = udp(OUTSIDER, mac(port))
        hops = there._follow(there.nodes[first].receive(LocalPort("/campus"), tagged(frame, 100)))
        assert got(hops) == {port: [frame]} and hops[-1].node == new


def test_a_group_goes_to_members_alone_and_only_to_nodes_with_members() -> None:
    frame = udp(mac("camera"), GROUP_MAC, f"nw_src=10.1.40.11,nw_dst={GROUP}")
    assert got(lab().send("shop/camera", frame)) == {}
    for members in (("screen1",), ("screen2",), ("screen1", "screen3"), ("screen1", "screen2", "screen3")):
        there = lab(joined=tuple((GROUP, one) for one in members))
        hops = there.send("shop/camera", frame)
        assert got(hops) == {one: [frame] for one in members}
        assert {hop.node for hop in hops} == {"node1"} | {home(one) for one in members}
    there = lab(joined=((GROUP, "screen2"), (ROUTER_GROUP, "screen3")))
    assert got(there.send("shop/camera", frame)).keys() == {"screen2", "screen3"}


def test_a_physical_network_gets_all_groups_from_everywhere() -> None:
    (network,) = document().networks
    switches = (
        replace(one, multicast=Multicast() if one.name == "floor" else one.multicast)
        for one in network.switches
    )
    there = lab(("node1", "node2"))
    there.apply((replace(network, switches=tuple(switches)),))
    for sender in ("desk1", "desk2", "desk3"):
        frame = udp(mac(sender), GROUP_MAC, f"nw_dst={GROUP}")
        assert got(there.send(f"shop/{sender}", frame)) == {"/campus": [tagged(frame, 100)]}, sender


def test_groups_of_the_link_go_to_everybody() -> None:
    frame = udp(mac("camera"), "01:00:5e:00:00:fb", "nw_src=10.1.40.11,nw_dst=224.0.0.251")
    assert got(lab().send("shop/camera", frame)).keys() == {"screen1", "screen2", "screen3"}
    frame = udp(mac("camera"), EVERYBODY, "nw_src=10.1.40.11,nw_dst=255.255.255.255")
    assert got(lab().send("shop/camera", frame)).keys() == {"screen1", "screen2", "screen3"}


def test_what_is_said_of_groups_goes_to_the_agent_and_nowhere_else() -> None:
    for version in (4, 6):
        asked = emit_query(version, mac("camera"), 10)
        hops = lab().send("shop/camera", asked)
        assert got(hops) == {}
        assert [one.reason for one in ends(hops) if isinstance(one, Punted)] == ["membership"]
