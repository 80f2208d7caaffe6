"""The plan of a dry run, for people: what changes on each node, and who reaches whom then."""

from __future__ import annotations

from typing import Any

from .output import line, table

NAMED_MAX = 5
OBJECTS_MAX = 12
Document = dict[str, Any]


def show_plan(plan: Document) -> None:
    """The whole plan; `-o json` has every flow as well."""
    rows = [
        (one["node"], _counts(one["flows"]), _signed(one["ports"]), _signed(one["tunnels"]))
        for one in plan["nodes"]
    ]
    table(["node", "flows", "ports", "tunnels"], rows, "nothing changes on any node")
    _show_objects(plan["nodes"])
    for one in plan["reach"]:
        _show_reach(one)


def reach_sentence(one: Document, verb: str) -> str:
    """Who, whom and by what."""
    sources, targets = named(one["sources"]), named(one["targets"])
    same = one["sources"] == one["targets"]
    whom = "one another" if same else targets
    return f"{sources} {verb} {whom}: {', '.join(one['services'])}"


def named(names: list[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more


def _show_objects(nodes: list[Document]) -> None:
    found: dict[str, list[str]] = {}
    for node in nodes:
        for one in node["objects"]:
            found.setdefault(one["object"], []).append(f"{node['node']} {_counts(one)}")
    rows = [(name, ", ".join(said)) for name, said in sorted(found.items())]
    if rows:
        table(["because of", "flows"], rows[:OBJECTS_MAX], "")
    if len(rows) > OBJECTS_MAX:
        line(f"and because of {len(rows) - OBJECTS_MAX} more objects; -o json lists every flow")


def _show_reach(found: Document) -> None:
    name = found["network"]
    if found["unknown"]:
        line(f"{name}: who reaches whom was not computed: {found['unknown']}", "yellow")
        return
    if not found["gained"] and not found["lost"]:
        line(f"{name}: everybody reaches whom they reached before")
    for one in found["gained"]:
        line(f"{name}: {reach_sentence(one, 'can newly reach')}", "green")
    for one in found["lost"]:
        line(f"{name}: {reach_sentence(one, 'can no longer reach')}", "red")


def _counts(counted: Document) -> str:
    signs = {"added": "+", "changed": "~", "removed": "-"}
    return " ".join(f"{sign}{counted[word]}" for word, sign in signs.items() if counted[word]) or "0"


def _signed(difference: Document) -> str:
    signed = [f"+{one}" for one in difference["added"]] + [f"-{one}" for one in difference["removed"]]
    return named(signed)
