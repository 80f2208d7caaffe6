"""A lab that is refused must not take away what is not its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import netns

from tulle.errors import Conflict, InvalidInput
from tulle.lab import lifecycle, state
from tulle.lab.layout import layout
from tulle.values import Node, Underlay

FILE = """
underlay: {{subnet: 172.28.91.0/24, mtu: 1500}}
nodes: [{{name: node1, encapsulations: [stt]}}]
networks:
  - name: red
    switches: [{{name: web, subnets: [10.0.1.0/24]}}]
    ports: [{{name: web1, switch: web, node: node1, namespace: {namespace}}}]
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace that was there before any lab."""
    name = f"regr{os.getpid()}"
    netns.create(name)
    yield name
    if name in netns.listnetns():
        netns.remove(name)


def test_a_refused_lab_leaves_the_namespaces_of_others_alone(tmp_path: Path, namespace: str) -> None:
    # `up` cleaned up after its own refusal, and so removed the namespaces that it had refused to touch.
    path = tmp_path / f"lab{os.getpid()}.yaml"
    path.write_text(FILE.format(namespace=namespace))
    with pytest.raises(Conflict, match=namespace):
        lifecycle.up(path)
    assert namespace in netns.listnetns()
    assert path.stem not in state.names()


@pytest.mark.parametrize("name", ["/", "..", ".", "../x", "a/b", "", "-x", "x" * 41])
def test_a_lab_whose_name_is_no_file_name_is_refused(name: str) -> None:
    # The directory of a lab called `/` was the root of the file system, and `down` removes it whole.
    with pytest.raises(InvalidInput, match="lab's name"):
        layout(name, underlay=Underlay("172.28.91.0/24", 1500), nodes=[Node("node1", "", ())], workloads=[])
