"""Feature: ACLs, from a port into its switch and from the switch to a port.

The highest priority wins, no match means allow.  Where two ACLs of one priority come down to the
same flow, drop wins; `rules` refuses a network in which they contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from tulle.values import Acl, Flow, Resubmit, fields, flow
from tulle.values.pipeline import DELIVER, FROM_PORT_ACL, RESPONDERS, TO_PORT_ACL

from .match import expand_match
from .view import View


def acl_flows(view: View) -> Iterator[Flow]:
    """The flows of all ACLs of the network, each key once."""
    seen = set()
    for acl in sorted(view.network.acls, key=lambda one: (one.action != "drop", one.name)):
        for made in _flows_of(view, acl):
            if made.key not in seen:
                seen.add(made.key)
                yield made


def _flows_of(view: View, acl: Acl) -> Iterator[Flow]:
    incoming = acl.direction == "from-port"
    table, following = (FROM_PORT_ACL, RESPONDERS) if incoming else (TO_PORT_ACL, DELIVER)
    switch = acl.switch if acl.port is None else view.switch_of(acl.port)
    assert switch is not None, f"ACL {acl.name} names neither a switch nor a port"
    place = {"metadata": view.datapath(switch)}
    if acl.port is not None:
        place["reg14" if incoming else "reg15"] = view.key(switch, acl.port)
    actions = () if acl.action == "drop" else (Resubmit(following),)
    for described in expand_match(acl.match):
        yield flow(table, acl.priority, fields(described, **place), actions, view.owner("acl", acl.name))
