"""What workloads say of multicast groups, and the questions that a querier asks: frames in, frames out."""

from .messages import Heard, emit_query, parse_message
from .snooping import SnoopedSwitch, Snooping

__all__ = ["Heard", "SnoopedSwitch", "Snooping", "emit_query", "parse_message"]
