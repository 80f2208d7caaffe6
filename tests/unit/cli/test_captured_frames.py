"""Frames of several nodes in one file, with names, and what tunnels carried once more."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from tulle.cli.capture import merged


def frame(at_ns: int, place: int, data: bytes, **more: Any) -> dict[str, Any]:
    return {"at_ns": at_ns, "place": place, "out": True, "note": "", "data": b64encode(data).decode(), **more}


FOUND = {
    "nodes": {
        "node1": {
            "places": [{"name": "red/web1", "kind": "port"}, {"name": "underlay", "kind": "tunnel"}],
            "frames": [frame(1, 0, b"inside"), frame(3, 1, b"outerinside", note="vxlan", inner=5)],
            "lost": 0,
        },
        "node2": {
            "places": [{"name": "underlay", "kind": "tunnel"}],
            "frames": [frame(2, 0, b"later", note="stt node1 to node2, a later segment")],
            "lost": 0,
        },
    }
}


def test_frames_are_in_the_order_of_time_and_say_where_they_were_seen() -> None:
    places, frames = merged(FOUND)
    assert places == ["red/web1@node1", "underlay@node1", "underlay@node2"]
    assert [(places[one.place], one.data, one.note) for one in frames] == [
        ("red/web1@node1", b"inside", "from red/web1 at node1"),
        ("underlay@node2", b"later", "stt node1 to node2, a later segment"),
        ("underlay@node1", b"outerinside", "vxlan"),
    ]


def test_what_a_tunnel_carried_is_there_without_its_outer_headers() -> None:
    places, frames = merged(FOUND, inner=True)
    assert places == [
        "red/web1@node1",
        "underlay@node1",
        "in tunnels@node1",
        "underlay@node2",
        "in tunnels@node2",
    ]
    assert [(places[one.place], one.data) for one in frames][-2:] == [
        ("underlay@node1", b"outerinside"),
        ("in tunnels@node1", b"inside"),
    ]
