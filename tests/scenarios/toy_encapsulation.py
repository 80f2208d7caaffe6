"""An encapsulation that no product code has ever heard of, with a byte format of its own.

On the wire: `TOY!`, both underlay addresses, the size of the context in bytes, the context, and the
frame back to front, so that nothing can take it for a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

MAGIC = b"TOY!"


@dataclass
class ToyWire:
    """One end of a toy tunnel; `seen` collects what stood on the wire."""

    local: str
    remote: str
    context_bytes: int
    seen: list[bytes]

    def push(self, frame: bytes, context: int) -> list[bytes]:
        """One outer frame; OverflowError if the context does not fit."""
        addresses = IPv4Address(self.local).packed + IPv4Address(self.remote).packed
        head = MAGIC + addresses + bytes([self.context_bytes])
        outer = head + context.to_bytes(self.context_bytes, "little") + frame[::-1]
        self.seen.append(outer)
        return [outer]

    def pop(self, frame: bytes) -> list[tuple[int, bytes]]:
        """The context and the inner frame."""
        wanted = MAGIC + IPv4Address(self.remote).packed + IPv4Address(self.local).packed
        assert frame.startswith(wanted), f"{frame[:12].hex()} came, {wanted.hex()} was expected"
        end = 13 + frame[12]
        return [(int.from_bytes(frame[13:end], "little"), frame[end:][::-1])]
