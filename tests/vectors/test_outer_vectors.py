"""The golden frames as a captured packet of the underlay is named: encapsulation, addresses and context."""

from __future__ import annotations

import pytest
from test_vectors import Vector, cases

from tulle.agent.outer import NO_CONTEXT, outer


def check(kind: str, vector: Vector, field: str) -> None:
    found = outer(vector.frame(field))
    assert found is not None, vector["name"]
    assert (found.encapsulation, found.context) == (kind, vector.number("context")), vector["name"]
    inner = vector.frame("inner")
    carried = vector.frame(field)[found.inner :]
    # A tag is carried beside the frame, and of what is cut only the beginning is there.
    assert carried[:12] == inner[:12], vector["name"]


@cases("vxlan.txt")
def test_a_vxlan_vector_has_its_context(vector: Vector) -> None:
    check("vxlan", vector, "outer")


@cases("geneve.txt")
def test_a_geneve_vector_has_its_context(vector: Vector) -> None:
    check("geneve", vector, "outer")


@cases("gre.txt")
def test_a_gre_vector_has_its_context(vector: Vector) -> None:
    check("gre", vector, "outer")


@cases("stt.txt")
def test_the_first_segment_of_an_stt_vector_has_its_context_and_no_other_has(vector: Vector) -> None:
    names = [key for key in vector if key.startswith("segment-")] or ["outer"]
    check("stt", vector, names[0])
    assert {outer(vector.frame(name)).context for name in names[1:]} <= {NO_CONTEXT}  # type: ignore[union-attr]


@pytest.mark.parametrize("length", range(0, 60, 7))
@cases("vxlan.txt")
def test_a_frame_that_is_cut_off_is_no_tunnels(vector: Vector, length: int) -> None:
    found = outer(vector.frame("outer")[: min(length, 49)])
    assert found is None or found.context == NO_CONTEXT
