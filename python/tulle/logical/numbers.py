"""Port keys by datapath, so that what is unchanged of them is known without a look at each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

Group = Mapping[str, int]
NONE: Final[Group] = {}


class PortKeys(Mapping[str, int]):
    """Port keys by `network/datapath/port`, held as one mapping for each `network/datapath`.

    Never changed: `replaced` gives another one that shares all other groups.
    """

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self.groups = groups

    def __getitem__(self, name: str) -> int:
        datapath, _, port = name.rpartition("/")
        return self.groups[datapath][port]

    def __iter__(self) -> Iterator[str]:
        return (f"{datapath}/{port}" for datapath, group in self.groups.items() for port in group)

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def replaced(self, groups: Mapping[str, Group]) -> PortKeys:
        """The same with other groups for these datapaths; an empty one is left out."""
        return PortKeys({name: group for name, group in {**self.groups, **groups}.items() if group})


def grouped(keys: Mapping[str, int]) -> PortKeys:
    """These keys by datapath."""
    if isinstance(keys, PortKeys):
        return keys
    groups: dict[str, dict[str, int]] = {}
    for name, key in keys.items():
        datapath, _, port = name.rpartition("/")
        groups.setdefault(datapath, {})[port] = key
    return PortKeys(groups)
