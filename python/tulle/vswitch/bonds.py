"""Which members of a bond work: link state with its delays, and the active one.

A member counts as up only when its link has been for `bond_updelay`, as down only after `bond_downdelay`; without
any other that works, the delay up is skipped (ovs-vswitchd.conf.db(5), table Port).  Pure: time is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping

from tulle.vswitch.forwarding import BundleConfig


class Bond:
    """The members of one port that has several interfaces."""

    def __init__(self, config: BundleConfig) -> None:
        self.config = config
        self.active = ""
        self._enabled: dict[str, bool] = {}
        self._differs_since: dict[str, float] = {}

    def follow(self, links: Mapping[str, bool], now: float) -> None:
        """Take the link states of members; those that have none are down."""
        for name in self.config.members:
            has_link = links.get(name, False)
            enabled = self._enabled.setdefault(name, has_link)
            if has_link == enabled:
                self._differs_since.pop(name, None)
                continue
            since = self._differs_since.setdefault(name, now)
            delay_ms = self.config.up_delay_ms if has_link else self.config.down_delay_ms
            if now - since >= delay_ms / 1000 or (has_link and not any(self._enabled.values())):
                self._enabled[name] = has_link
                self._differs_since.pop(name, None)
        self._choose()

    @property
    def live(self) -> list[str]:
        """Members that work, the active one first."""
        working = [name for name in self.config.members if self._enabled.get(name)]
        return sorted(working, key=lambda name: name != self.active)

    def activate(self, name: str) -> bool:
        """Make a member that works the active one; False if it does not work."""
        if not self._enabled.get(name):
            return False
        self.active = name
        return True

    def is_enabled(self, name: str) -> bool:
        """Whether a member works."""
        return self._enabled.get(name, False)

    def _choose(self) -> None:
        primary = self.config.primary
        if self._enabled.get(primary):
            self.active = primary
        elif not self._enabled.get(self.active):
            self.active = next((name for name in self.config.members if self._enabled.get(name)), "")


def new_bond(config: BundleConfig) -> Bond:
    """A bond whose members are taken to work until their links have been looked at."""
    bond = Bond(config)
    bond.follow(dict.fromkeys(config.members, True), 0.0)
    return bond
