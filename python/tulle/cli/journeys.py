"""`tulle trace --live`, drawn: the way of each real packet, hop by hop, with times."""

from __future__ import annotations

from typing import Any

from .output import line, table

Document = dict[str, Any]
STYLES = {"delivered": "green", "left": "green", "answered": "yellow", "dropped": "red", "lost": "red"}


def draw_journeys(found: Document) -> None:
    """All of them, and what is known of the clocks that the times are by."""
    name = f"{found['network']}/{found['port']}"
    if not found["journeys"]:
        line(f"no such packet of {name} came")
    for number, one in enumerate(found["journeys"], 1):
        again = f" ({one['times']} times)" if one["times"] > 1 else ""
        line(f"{number}. {name} sends {one['packet']}{again}", "bold")
        table(["node", "place", "", "after"], map(_hop, one["hops"]), "  seen nowhere")
        line(f"   => {one['said']}", STYLES.get(one["end"]))
        if one["by"]:
            line(f"   by {', '.join(one['by'])}")
        line("")
    for node, clock in found["clocks"].items():
        line(clock_sentence(node, clock))
    for node, count in sorted(found["lost"].items()):
        line(
            f"{node}: {count} frames came too fast to be looked at; packets may seem lost that are not",
            "yellow",
        )
    for node, said in sorted(found["silent"].items()):
        line(f"{node}: {said}", "red")


def clock_sentence(node: str, clock: Document | None) -> str:
    """What is known of a node's clock."""
    if clock is None:
        return f"{node}: its clock is not known, for nothing came back from there; its times are its own"
    if clock["within_ns"] == 0:
        return f"{node}: times are by its clock"
    ahead = clock["ahead_ns"]
    word = "ahead" if ahead >= 0 else "behind"
    bound = f"give or take {_time(clock['within_ns'])}"
    return f"{node}: its clock is about {_time(abs(ahead))} {word}, {bound}; its times are corrected by that"


def _hop(hop: Document) -> tuple[str, str, str, str]:
    if hop.get("port"):
        return hop["node"], f"port {hop['port']}", "sent" if hop["out"] else "delivered", _after(hop)
    place = f"tunnel {'to' if hop['out'] else 'from'} {hop['tunnel']}"
    return (
        hop["node"],
        place,
        f"{'sent' if hop['out'] else 'received'} by {hop['encapsulation']}",
        _after(hop),
    )


def _after(hop: Document) -> str:
    """Since it entered; where the clock is not known, since it came to this node."""
    if hop["after_ns"] is None:
        return f"? + {_time(hop['here_ns'])}"
    about = f" ± {_time(hop['within_ns'])}" if hop["within_ns"] else ""
    return f"{_time(hop['after_ns'])}{about}"


def _time(ns: int) -> str:
    if abs(ns) < 10_000_000:
        return f"{ns / 1e3:.0f} us"
    return f"{ns / 1e6:.1f} ms"
