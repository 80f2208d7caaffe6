"""Part 3, encapsulation: what the other parts may know of one (name, context bits, overhead, offload).

The bytes on the wire are in `crates/encap`.  What a context means is for the control plane.
"""

from .registry import EXCLUSIVE, GENEVE, GRE, NVGRE, STT, VXLAN, encapsulations, register, unregister

__all__ = ["EXCLUSIVE", "GENEVE", "GRE", "NVGRE", "STT", "VXLAN", "encapsulations", "register", "unregister"]
