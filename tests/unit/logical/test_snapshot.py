"""Documents of networks, and differences between them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import orjson
import pytest
from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.logical import changes, diff, document_of, network_of, parse_file
from tulle.values import Network

EXAMPLE = (Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml").read_text()


@pytest.fixture
def red() -> Network:
    return parse_file(EXAMPLE, "two-tenants.yaml").networks[1]


def test_a_document_survives_json_and_gives_the_same_network(red: Network) -> None:
    document = document_of(red)
    assert network_of(orjson.loads(orjson.dumps(document))) == red
    assert document["acls"][0]["match"] == "tcp,dport=22"


def test_the_order_of_members_makes_no_difference(red: Network) -> None:
    shuffled = replace(red, ports=red.ports[::-1], switches=red.switches[::-1])
    assert document_of(shuffled) == document_of(red)
    assert diff(red, shuffled) == ()


def test_a_moved_port_is_one_change(red: Network) -> None:
    moved = [replace(port, node="node3") if port.name == "web2" else port for port in red.ports]
    (change,) = diff(red, replace(red, ports=tuple(moved)))
    assert (change.kind, change.path) == ("changed", "red/ports/web2/node")
    assert (change.old, change.new) == ("node2", "node3")


def test_what_comes_and_goes_is_named(red: Network) -> None:
    core = red.routers[0]
    new = replace(red, ports=red.ports[1:], acls=(), routers=(replace(core, ports=core.ports[:1]),))
    found = [(change.kind, change.path) for change in diff(red, new)]
    assert found == [
        ("removed", "red/acls/no-ssh-to-db"),
        ("removed", "red/ports/db1"),
        ("removed", "red/routers/core/ports/core-web"),
    ]
    back = [(change.kind, change.path) for change in diff(new, red)]
    assert back == [("added", path) for _, path in found]


def test_unbinding_a_port_is_a_removal_of_its_node(red: Network) -> None:
    unbound = replace(red, ports=(replace(red.ports[0], node=None), *red.ports[1:]))
    (change,) = diff(red, unbound)
    assert (change.kind, change.path, change.old) == ("removed", "red/ports/db1/node", "node1")


def test_applying_a_file_leaves_other_networks_alone_unless_pruning(red: Network) -> None:
    green = Network("green")
    assert changes([green], [red])[0].path == "red"
    assert [change.kind for change in changes([green], [red], prune=True)] == ["removed", "added"]
    assert changes([red], [red]) == ()
    assert diff(None, None) == ()


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"name": 7},
        {"name": "red", "acls": [{}]},
        {"name": "red", "acls": 5},
        {"name": "red", "acls": ["x"]},
        {"name": "red", "acls": [{"match": 5}]},
        {"name": "red", "ports": [{"name": "a"}]},
        {"name": "red", "ports": [{"name": "a", "switch": "none", "mac": "02:00:00:00:00:01"}]},
    ],
)
def test_a_broken_document_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        network_of(broken)


def test_documents_hold_only_json_types(red: Network) -> None:
    assert msgspec.json.decode(msgspec.json.encode(document_of(red))) == document_of(red)
