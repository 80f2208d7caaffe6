"""What is wrong with a deployment, in sentences.  Pure: it looks at answers and asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from tulle.errors import TulleError

Document = dict[str, Any]
CLOCK_S: Final = 1.0


class Finding(Struct, frozen=True, order=True):
    """`level` is error, warning or ok; `about` names the object; `says` is a sentence."""

    level: str
    about: str
    says: str


class Examined(Struct, frozen=True):
    """Lists as the API gives them, and what nodes answered to `check` (see `agent.answering`) in which time."""

    networks: list[Document]
    ports: list[Document]
    nodes: list[Document]
    tunnels: list[Document]
    behind: list[str]
    answers: Mapping[str, Document | TulleError]
    asked_s: float
    answered_s: float
    release: str


def findings(seen: Examined) -> list[Finding]:
    """Everything found, worst first; what is as it should be has a line too."""
    found = [
        *_nodes(seen),
        *_progress(seen),
        *_ports(seen),
        *_tunnels(seen),
        *_underlay(seen),
        *_answers(seen),
    ]
    order = {"error": 0, "warning": 1, "ok": 2}
    return sorted(found, key=lambda one: (order[one.level], one.about, one.says))


def _nodes(seen: Examined) -> Iterator[Finding]:
    for node in seen.nodes:
        about = f"node {node['name']}"
        if node["external"]:
            continue
        if not node["registered"]:
            yield Finding("error", about, "is declared, but its agent has never come")
        elif not node["connected"]:
            yield Finding("error", about, "its agent is silent; traffic goes on as it was")
        for network, reason in sorted(node["refused"].items()):
            said = f"its switch has refused what {_network(network)} should have, which stays as it was: {reason}"
            yield Finding("error", about, said)
        if node["ignored"]:
            yield Finding("warning", about, f"what was asked of it is not so: {node['ignored']}")


def _network(name: str) -> str:
    return f"network {name}" if name else "every network"


def _progress(seen: Examined) -> Iterator[Finding]:
    yield from (Finding("error", "changes", one) for one in seen.behind)
    if not seen.behind:
        yield Finding("ok", "changes", f"every node has applied all of {len(seen.networks)} networks")


def _ports(seen: Examined) -> Iterator[Finding]:
    # A port to a physical network is on every node that has that, and bound to none.
    ports = [one for one in seen.ports if one.get("localnet") is None]
    homeless = Counter(one["network"] for one in ports if one["node"] is None and one["bound"] is None)
    for network, count in sorted(homeless.items()):
        yield Finding("warning", f"network {network}", f"{count} ports are bound nowhere")
    bound = sum(one["bound"] is not None for one in ports)
    yield Finding("ok", "ports", f"{bound} of {len(ports)} are bound")


def _tunnels(seen: Examined) -> Iterator[Finding]:
    for one in seen.tunnels:
        about = f"tunnel {one['local']} to {one['remote']}"
        if one["encapsulation"] is None:
            yield Finding("error", about, f"there is none: {one['reason']}")
        elif one["coming"]:
            yield Finding("warning", about, f"is on its way from {one['encapsulation']} to {one['coming']}")
    yield Finding("ok", "tunnels", f"{len(seen.tunnels)} were looked at")


def _underlay(seen: Examined) -> Iterator[Finding]:
    mtus = {node["name"]: node["underlay_mtu"] for node in seen.nodes if node["underlay_mtu"] is not None}
    if len(set(mtus.values())) > 1:
        said = ", ".join(f"{name} {mtu}" for name, mtu in sorted(mtus.items()))
        yield Finding("warning", "underlay", f"nodes have different MTUs, the smallest counts: {said}")


def _answers(seen: Examined) -> Iterator[Finding]:
    for name, answer in sorted(seen.answers.items()):
        about = f"node {name}"
        if isinstance(answer, TulleError):
            yield Finding("error", about, f"could not be checked: {answer.message}")
            continue
        found = [*_clock(about, answer, seen), *_drift(about, answer), *_places(about, answer)]
        yield from found
        if not found:
            said = f"{answer['drift']['flows']} flows are as they should be, {len(answer['paths'])} ways work"
            yield Finding("ok", about, said)


def _clock(about: str, answer: Document, seen: Examined) -> Iterator[Finding]:
    if answer["version"] != seen.release:
        said = f"runs release {answer['version']}, the controller {seen.release}"
        yield Finding("warning", about, said)
    time_s = answer["time_s"]
    off_s = min(0.0, time_s - seen.asked_s) + max(0.0, time_s - seen.answered_s)
    if abs(off_s) > CLOCK_S:
        yield Finding("warning", about, f"its clock is {off_s:+.1f} s off the controller's")


def _drift(about: str, answer: Document) -> Iterator[Finding]:
    drift = answer["drift"]
    counted = {word: drift[word] for word in ("missing", "surplus", "different", "stale") if drift[word]}
    if counted:
        said = ", ".join(f"{count} {word}" for word, count in counted.items())
        yield Finding("error", about, f"flows were not as they should be and are mended: {said}")
    elif drift["repaired"]:
        yield Finding("warning", about, f"flows had to be mended {drift['repaired']} times since its start")


def _places(about: str, answer: Document) -> Iterator[Finding]:
    for address, said in sorted(answer["paths"].items()):
        if said:
            yield Finding("error", about, f"underlay address {address}: {said}")
    for port, said in sorted(answer["unattached"].items()):
        yield Finding("error", about, f"port {port} is not attached: {said}")
    if answer["pending"]:
        yield Finding("warning", about, f"waits for the numbers of {', '.join(answer['pending'])}")
