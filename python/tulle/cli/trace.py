"""`tulle trace`: the way of one packet, node by node."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tulle.errors import InvalidInput
from tulle.values import SERVICES, pipeline

from .context import NetworkName, client
from .journeys import draw_journeys
from .output import Format, Output, line, show, table, waiting

STAGES = {
    number: name.lower().replace("_", " ")
    for name, number in vars(pipeline).items()
    if isinstance(number, int) and name.isupper() and not name.startswith(("ETH_", "PROTO_"))
}


def trace(
    context: typer.Context,
    network: NetworkName,
    port: Annotated[str, typer.Argument(metavar="PORT", help="Where the packet enters.")],
    match: Annotated[
        str | None,
        typer.Argument(
            metavar="[MATCH]", help="What it is, as in tcp,dst=10.0.1.5,dport=80; any with --live."
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Follow packets that the port really sends.")] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="PORT", help="--live: those for this port.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=600, help="--live: for how long at most.")
    ] = 10.0,
    count: Annotated[int, typer.Option("--count", min=1, max=100, help="--live: how many packets.")] = 5,
    output: Output = Format.TABLE,
) -> None:
    """Show the way of a packet through the forwarding code, also at the far ends of tunnels.

    With --live, the ways of real packets, as they are seen at ports and in tunnels, with the time at each.

    tulle trace red web1 'tcp,dst=10.0.2.11,dport=80'

    tulle trace red web1 tcp,dport=80 --to db1 --live --seconds 5
    """
    tulle = client(context)
    if live:
        with waiting(f"following {count} packets for up to {seconds:g} s"):
            followed = tulle.follow(network, port, match or "any", to=to, seconds=seconds, count=count)
        show(followed, output, lambda: draw_journeys(followed))
        return
    if match is None or to is not None:
        raise InvalidInput("a match was expected, as in tcp,dst=10.0.1.5,dport=80; --to goes with --live")
    with waiting("tracing"):
        found = tulle.trace(network, port, match)
    show(found, output, lambda: _draw(found))


def _draw(found: dict[str, Any]) -> None:
    line(f"{found['network']}/{found['port']} sends {found['frame']}")
    for half in found["halves"]:
        line("")
        line(f"{half['node']}: entered by {half['entered']}", "bold")
        if "failed" in half:
            line(f"  failed: {half['failed']}", "red")
            continue
        rows = [_step(step) for step in half.get("steps", ())]
        table(["table", "stage", "priority", "by", "actions"], rows, "  no flow was met")
        for text, style in _ends(half):
            line(f"  {text}", style)


def _step(step: dict[str, Any]) -> tuple[object, ...]:
    actions = step["actions"] or "drop"
    return step["table"], STAGES.get(step["table"], ""), step["priority"], step.get("owner", ""), actions


def _ends(half: dict[str, Any]) -> list[tuple[str, str]]:
    ends = [(f"=> {_output(one)}", "green") for one in half.get("outputs", ())]
    ends += [_punted(half, reason) for reason in half.get("punts", ())]
    ends += [(f"=> dropped{_culprit(half)}: {reason}", "red") for reason in half.get("drops", ())]
    return ends or [("=> nowhere", "red")]


def _punted(half: dict[str, Any], reason: str) -> tuple[str, str]:
    """What the agent gets: a question to a service ends there, with an answer to who asked."""
    if reason.partition(" of ")[0] in SERVICES:
        return f"=> answered by {reason}", "green"
    return f"=> agent{_asker(half)}: {reason}", "yellow"


def _culprit(half: dict[str, Any]) -> str:
    """The owner of the flow that dropped it, when it is the last that was met."""
    last = half.get("steps", ())[-1:]
    return "".join(
        f" by {step['owner']}" for step in last if step["actions"] in ("", "drop") and step.get("owner")
    )


def _asker(half: dict[str, Any]) -> str:
    """The ACL that hands the packet to the agent, to log it or to tell its sender."""
    owners = [
        step.get("owner", "") for step in half.get("steps", ()) if "controller" in step["actions"].lower()
    ]
    return "".join(f", by {owner}" for owner in owners[-1:] if owner.startswith("acl "))


def _output(output: dict[str, Any]) -> str:
    if output.get("node"):
        return f"tunnel to {output['node']} (context {output.get('tunnel_id')})"
    return f"port {output.get('port')}"
