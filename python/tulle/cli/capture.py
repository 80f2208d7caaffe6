"""`tulle capture`: frames of ports and tunnels, on whatever node they are, in one file."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any

import typer

from tulle.errors import InvalidInput

from .context import client
from .output import line, waiting
from .pcapng import Frame, write

Document = dict[str, Any]


def capture(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="NETWORK, NETWORK/PORT, or NODE:NODE for what is between them."),
    ],
    file: Annotated[Path, typer.Option("--write", "-w", help="The pcapng file to write.")],
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, max=600, help="For how long.")] = 10.0,
    frames: Annotated[
        int, typer.Option("--frames", min=1, max=100_000, help="At most, on each node.")
    ] = 1000,
    length: Annotated[
        int, typer.Option("--length", min=14, max=65_535, help="Bytes of each frame.")
    ] = 65_535,
    inner: Annotated[
        bool,
        typer.Option("--inner", help="What tunnels carry once more, without its outer headers, apart."),
    ] = False,
) -> None:
    """Capture what ports send and are given, and what tunnels carry, into one file with names in its comments.

    A network is captured at all its ports, and wherever its packets are in tunnels.
    It ends when the time is over, or when every node has enough (5 MB, or --frames).

    tulle capture shop/web1 -w web1.pcapng

    tulle capture shop --seconds 5 -w shop.pcapng

    tulle capture node1:node2 --inner -w wire.pcapng
    """
    asked = _asked(what)
    with waiting(f"capturing for {seconds:g} s"):
        found = client(context).capture(**asked, seconds=seconds, frames=frames, snap_bytes=length)
    places, captured = merged(found, inner=inner)
    try:
        with file.open("wb") as out:
            write(out, places, captured)
    except OSError as error:
        raise InvalidInput(f"cannot write {file}: {error.strerror or error}", where="--write") from None
    lost = sum(one["lost"] for one in found["nodes"].values())
    line(
        f"{len(captured)} frames of {len(places)} places in {file}"
        + (f"; {lost} came too fast" if lost else "")
    )
    for name, said in sorted(found["silent"].items()):
        line(f"{name}: {said}", "red")


def _asked(what: str) -> Document:
    first, colon, second = what.partition(":")
    if colon:
        if not first or not second:
            raise InvalidInput(f"two nodes were expected, as in node1:node2, {what!r} came", where="WHAT")
        return {"remotes": (first, second)}
    network, _, port = what.partition("/")
    return {"network": network, "port": port or None}


def merged(found: Document, *, inner: bool = False) -> tuple[list[str], list[Frame]]:
    """Names of all places, and all frames in the order of time.

    With `inner` each node has another place with what its tunnels carried.
    """
    places: list[str] = []
    frames: list[Frame] = []
    for node, one in sorted(found["nodes"].items()):
        names = [place["name"] for place in one["places"]]
        for taken in one["frames"]:
            note = taken["note"] or _port_note(names[taken["place"]], node, out=taken["out"])
            number, data = len(places) + taken["place"], b64decode(taken["data"])
            frames.append(Frame(taken["at_ns"], number, taken["out"], data, note))
            if inner and "inner" in taken:
                within = data[taken["inner"] :]
                frames.append(Frame(taken["at_ns"], len(places) + len(names), taken["out"], within, note))
        places += [f"{name}@{node}" for name in names]
        places += [f"in tunnels@{node}"] if inner else []
    return places, sorted(frames)


def _port_note(port: str, node: str, *, out: bool) -> str:
    return f"{'from' if out else 'to'} {port} at {node}"
