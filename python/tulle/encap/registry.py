"""The encapsulations that exist, by name.

Built in are those whose bytes `crates/encap` knows; a test or another package registers its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tulle.errors import Conflict, InvalidInput
from tulle.values import Encapsulation

# Over IPv6, each takes 20 bytes more of the underlay's MTU: see `control/mtu.py`.
# Outer IPv4 20, TCP-like 20, STT frame header 18, inner Ethernet 14 (draft-davie-stt-08 section 3).
# A frame may be longer than the underlay's MTU: it is cut into segments, by the NIC's TSO if it can.
STT: Final = Encapsulation("stt", 64, 20 + 20 + 18 + 14, limited_by_mtu=False, offload="tso")
# Outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348 section 5).
VXLAN: Final = Encapsulation("vxlan", 24, 20 + 8 + 8 + 14, offload="udp-tunnel-segmentation")
# The same with Geneve's 8 bytes; options are for those who ask for them (RFC 8926 section 3.4).
GENEVE: Final = Encapsulation("geneve", 24, 20 + 8 + 8 + 14, offload="udp-tunnel-segmentation")
# Outer IPv4 20, GRE with a key 8, inner Ethernet 14 (RFC 2890 section 2).
GRE: Final = Encapsulation("gre", 32, 20 + 8 + 14, offload="gre-segmentation")
# The same 8 bytes with a key split in 24 and 8 bits (RFC 7637 section 3.2).
NVGRE: Final = Encapsulation("nvgre", 24, 20 + 8 + 14, offload="gre-segmentation")

EXCLUSIVE: Final = frozenset({"gre", "nvgre"})
"""A node speaks one of these at most: on the wire both are GRE with a key, and nothing tells them apart."""

_registered: dict[str, Encapsulation] = {}


def register(encapsulation: Encapsulation) -> None:
    """Make an encapsulation known; Conflict if another one has its name."""
    if encapsulation.context_bits < 24:
        raise InvalidInput(f"a context of 24 bits or more was expected, {encapsulation} came")
    known = _registered.setdefault(encapsulation.name, encapsulation)
    if known != encapsulation:
        raise Conflict(f"encapsulation {encapsulation.name} is registered already, as {known}")


def unregister(name: str) -> None:
    """Forget an encapsulation; one that is not known is no error."""
    _registered.pop(name, None)


def encapsulations() -> Mapping[str, Encapsulation]:
    """All that are known, by name; a snapshot."""
    return MappingProxyType(dict(sorted(_registered.items())))


for _built_in in (STT, VXLAN, GENEVE, GRE, NVGRE):
    register(_built_in)
