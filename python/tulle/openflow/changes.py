"""The flow changes that bring a switch from what it has to what it should have.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from tulle.openflow.flows import flow_cookie, flow_table


class FlowChanges(Struct, frozen=True):
    """Texts by flow_mod command.  Deletes come last, so that no packet falls between old and new."""

    add: tuple[str, ...] = ()
    modify: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()

    @property
    def commands(self) -> list[tuple[str, tuple[str, ...]]]:
        """In the order in which to send them."""
        batches = [("add", self.add), ("modify-strict", self.modify), ("delete-strict", self.delete)]
        return [(command, texts) for command, texts in batches if texts]


def changes(installed: Mapping[str, str], desired: Mapping[str, str]) -> FlowChanges:
    """Both map `flow_key` to canonical text.

    A flow whose cookie changes is added over the old one, since a modification keeps the old cookie
    (OpenFlow 1.3.5 section 7.3.4.2); any other change keeps the flow's counters.
    """
    add, modify = [], []
    for key, text in desired.items():
        old = installed.get(key)
        if old is None or (old != text and flow_cookie(old) != flow_cookie(text)):
            add.append(text)
        elif old != text:
            modify.append(text)
    delete = [key for key in installed if key not in desired]
    # Who sends packets on to a table comes after what is in it, and goes before it.
    add.sort(key=flow_table, reverse=True)
    delete.sort(key=flow_table)
    return FlowChanges(tuple(add), tuple(modify), tuple(delete))
