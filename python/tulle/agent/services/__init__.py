"""DHCP, router advertisements and DNS of networks: bytes in, bytes out.  No sockets, no clock.

Questions come from workloads, that is from anybody: what is not exactly right is not answered.
"""

from .advertising import Advertising
from .answering import Services

__all__ = ["Advertising", "Services"]
