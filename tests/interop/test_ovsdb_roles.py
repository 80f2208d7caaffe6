"""Roles over TLS: with the certificate of a node, Debian's `ovsdb-client` changes that node's rows only.

The same holds of Open vSwitch's own server, which is what a clustered store has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ovsdb_command import Authority, OriginalServer, ServerCommand, run, wait_for

from tulle.ovsdb.agent_role import write_agent_role
from tulle.ovsdb.client import Client
from tulle.ovsdb.schema import load

SERVED = "db:Tulle_State,Global,connections"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "switchca")


@pytest.fixture(params=[ServerCommand, OriginalServer])
def server(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> Iterator[ServerCommand]:
    schema = tmp_path / "state.ovsschema"
    schema.write_text(json.dumps(load("tulle_state").emit()))
    done = run("ovsdb-tool", "create", str(tmp_path / "state.db"), str(schema))
    assert done.returncode == 0, done
    options = [str(tmp_path / "state.db"), f"--remote={SERVED}", *authority.options("server")]
    started = request.param(tmp_path, *options)
    yield started
    started.stop()


async def serve_agents(server: ServerCommand) -> str:
    """Create the role and a remote that gives it to everybody; the remote."""
    connection = {"target": "pssl:0:127.0.0.1", "role": "agent"}
    remote = [
        {"op": "insert", "table": "Connection", "uuid-name": "c", "row": connection},
        {"op": "insert", "table": "Global", "row": {"connections": ["named-uuid", "c"]}},
    ]
    async with await Client.connect(server.remote) as client:
        await client.transact("Tulle_State", write_agent_role(load("tulle_state")))
        await client.transact("Tulle_State", remote)
    select = {"op": "select", "table": "Connection", "where": [], "columns": ["status"]}
    port = ""

    def bound() -> bool:
        nonlocal port
        [row] = transact(server.remote, [], select)[0]["rows"]
        port = dict(row["status"][1]).get("bound_port", "")
        return bool(port)

    wait_for(bound, server.log)
    return f"ssl:127.0.0.1:{port}"


def transact(remote: str, options: list[str], *operations: dict[str, Any]) -> Any:
    done = run(
        "ovsdb-client", "--timeout=60", *options, "transact", remote, json.dumps(["Tulle_State", *operations])
    )
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def node(name: str) -> dict[str, Any]:
    return {"op": "insert", "table": "Node", "row": {"name": name}}


def address(name: str) -> dict[str, Any]:
    return {"op": "update", "table": "Node", "where": [["name", "==", name]], "row": {"address": "10.0.0.1"}}


def drop(name: str) -> dict[str, Any]:
    return {"op": "insert", "table": "Drop", "row": {"node": name, "reason": "r", "object": "o"}}


async def test_the_certificate_of_a_node_changes_the_rows_of_that_node_only(
    server: ServerCommand, authority: Authority
) -> None:
    remote = await serve_agents(server)
    [_, stranger] = transact(server.remote, [], node("node2"), drop("node2"))
    assert "uuid" in stranger
    agent = authority.options("node1")
    results = transact(remote, agent, node("node1"), address("node1"), drop("node1"))
    assert results[1] == {"count": 1} and "uuid" in results[2], results
    everything = {"op": "delete", "table": "Drop", "where": []}
    datapath = {
        "op": "insert",
        "table": "Datapath",
        "row": {"network": "n", "name": "s", "kind": "switch", "id": 1},
    }
    for forbidden in (node("node3"), address("node2"), drop("node2"), everything, datapath):
        results = transact(remote, agent, forbidden)
        assert results[0]["error"] == "permission error", (forbidden, results)
    select = {"op": "select", "table": "Node", "where": [], "columns": ["name", "address"]}
    [found] = transact(remote, agent, select)
    assert {row["name"]: row["address"] for row in found["rows"]} == {"node1": "10.0.0.1", "node2": ""}
