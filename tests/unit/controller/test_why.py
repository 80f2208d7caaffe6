"""What is asked of a trace, and what is read from it."""

from __future__ import annotations

from typing import Any

import pytest

from tulle.controller.why import questions, verdict
from tulle.errors import InvalidInput, NotFound
from tulle.logical import asked_services, parse_file

TEXT = """
networks:
  - name: red
    switches: [{name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}]
    ports:
      - {name: a, switch: web, node: n1, addresses: [10.0.1.10, "fd00:1::10"]}
      - {name: b, switch: web, node: n1, addresses: [10.0.1.11, "fd00:1::11"]}
      - {name: c, switch: web, node: n1, addresses: [10.0.1.12]}
nodes: [{name: n1, address: 192.0.2.1, encapsulations: [stt]}]
"""
NETWORK = parse_file(TEXT, "red.yaml").networks[0]


def traced(*owners: str, **end: Any) -> dict[str, Any]:
    return {"halves": [{"node": "n1", "steps": [{"owner": owner} for owner in owners], **end}]}


def test_a_question_is_asked_in_each_family_that_both_ports_have() -> None:
    asked = [match for _, match in questions(NETWORK, "a", "b", asked_services("tcp/443"))]
    assert asked == ["tcp,dst=10.0.1.11,dport=443", "tcp,dst=fd00:1::11,dport=443"]
    asked = [match for _, match in questions(NETWORK, "a", "c", asked_services("ping"))]
    assert asked == ["icmp,dst=10.0.1.12,type=8,code=0"]


@pytest.mark.parametrize("text", ["tcp", "tcp/", "tcp/0", "tcp/65536", "sctp/1", "ping/1", "tcp/x"])
def test_a_question_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="tcp/PORT"):
        asked_services(text)


def test_an_unknown_port_is_named_with_the_nearest() -> None:
    with pytest.raises(NotFound, match="no port 'bb' in network red"):
        list(questions(NETWORK, "a", "bb", asked_services("ping")))


def test_what_arrives_at_the_port_reaches_it_and_the_rules_met_are_named_once() -> None:
    service = asked_services("tcp/443")[0]
    steps = ("port red/a", "acl red/open", "acl red/open", "switch red/web")
    found = verdict(NETWORK, "a", "b", service, traced(*steps, outputs=[{"port": "red/b"}]))
    assert found["reaches"] and found["agrees"] and found["by"] == ["acl red/open"]


def test_what_is_dropped_is_told_with_who_dropped_it_and_the_model_disagrees() -> None:
    service = asked_services("tcp/443")[0]
    found = verdict(NETWORK, "a", "b", service, traced("acl red/no", drops=["dropped-by-flow"]))
    assert not found["reaches"] and found["model"] and not found["agrees"]
    assert found["said"] == "is dropped at n1 by acl red/no: dropped-by-flow"


def test_at_a_node_without_an_agent_the_tunnel_to_it_counts() -> None:
    service = asked_services("ping")[0]
    out = traced(outputs=[{"node": "tor"}])
    assert verdict(NETWORK, "a", "b", service, out, "tor")["reaches"]
    assert not verdict(NETWORK, "a", "b", service, out)["reaches"]
