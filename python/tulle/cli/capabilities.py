"""What the capabilities of a node mean, for people."""

from __future__ import annotations

from typing import Final

_KERNEL: Final = {
    "udp-segmentation": "one send call makes many UDP packets (UDP_SEGMENT)",
    "udp-merging": "one receive call takes many UDP packets (UDP_GRO)",
    "tap-udp-segmentation": "workloads hand over long UDP packets uncut (TAP USO)",
    "tap-tunnel-segmentation": "tunnel packets pass a TAP uncut (UDP tunnel GSO, Linux 6.17)",
    "tunnel-tap": "what is in a tunnel reaches a device that cuts within it uncut (eBPF behind a TAP)",
    "packet-ring": "packets come through shared memory (TPACKET_V2)",
    "direct-sending": "small frames leave in batches (AF_XDP in copy mode)",
    "direct-checksums": "these leave their checksum to the device (AF_XDP metadata)",
}
_DEVICE: Final = {
    "tcp-segmentation": "cuts TCP, and so STT (TSO)",
    "udp-segmentation": "cuts UDP, and so VXLAN and Geneve (USO)",
    "udp-tunnel-segmentation": "cuts TCP inside VXLAN and Geneve",
    "gre-segmentation": "cuts TCP inside GRE and NVGRE",
    "receive-merging": "joins what arrives cut (GRO)",
    "queues": "queues to send by",
}


def meaning(name: str) -> str:
    """Of a capability of the kernel, or of a device (`DEVICE/NAME`); nothing where it is not known."""
    _, slash, of_device = name.rpartition("/")
    return _DEVICE.get(of_device, "") if slash else _KERNEL.get(name, "")
