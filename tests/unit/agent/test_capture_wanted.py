"""Which frames of the underlay a capture wants, and what it calls them."""

from __future__ import annotations

from tulle.agent.capturing import CaptureRequest, Places, _note
from tulle.agent.outer import NO_CONTEXT, NO_FRAME, Outer

PLACES = Places({}, {}, {5: "red/web"})


def note(request: CaptureRequest, source: str, target: str, context: int = 5) -> str | None:
    return _note(request, PLACES, Outer("stt", source, target, context, NO_FRAME))


def test_between_two_nodes_what_goes_to_a_third_is_not_meant() -> None:
    asked = CaptureRequest(remotes=("node1", "node2"))
    assert note(asked, "node2", "node1") == "stt node2 to node1, red/web, context 0x5"
    assert note(asked, "node1", "node3") is None
    assert note(asked, "node1", "node2", NO_CONTEXT) == "stt node1 to node2, a later segment"


def test_of_a_network_its_own_frames_are_wanted() -> None:
    assert note(CaptureRequest(network="red"), "node1", "node3") is not None
    assert note(CaptureRequest(network="blue"), "node1", "node3") is None
    assert note(CaptureRequest(network="red"), "node1", "node3", NO_CONTEXT) is None
