"""Two supervisors, of which one takes the devices over from the other; the words are those of `kept`.

The heir connects and asks; once the other's forwarding process has saved, it is sent the devices, and from then on
stands for the process that follows.  The end of the connection is the end of the other.
"""

from __future__ import annotations

import socket
from pathlib import Path

from tulle.errors import Unavailable
from tulle.vswitch import kept
from tulle.vswitch.kept import KeptDevices

HAND_OVER = "hand-over"
PATIENCE_S = 30.0
"""For the other's process to save its flows."""


class OtherSupervisor:
    """One of the two, as the other sees it."""

    def __init__(self, channel: socket.socket) -> None:
        channel.settimeout(PATIENCE_S)
        self.channel = channel

    def hear(self) -> str | None:
        """What it says; None once it is gone, or makes no sense."""
        try:
            return KeptDevices().receive(self.channel)
        except (OSError, ValueError):
            return None

    def say(self, word: str) -> None:
        """Say how far the change is."""
        kept.say(self.channel, word)


def predecessor(path: Path, devices: KeptDevices) -> OtherSupervisor | None:
    """Ask whoever runs there for its devices, and wait for them; None if nobody does.  Raises `Unavailable`."""
    other = OtherSupervisor(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    try:
        other.channel.connect(str(path))
        other.say(HAND_OVER)
        while (word := devices.receive(other.channel)) == "":
            pass
    except TimeoutError as error:
        raise Unavailable(f"the switch process in {path.parent} does not hand over") from error
    except OSError:
        word = None
    if word is not None:
        return other
    other.channel.close()
    return None


def answers(path: Path) -> bool:
    """Whether a supervisor listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        try:
            peer.connect(str(path))
        except OSError:
            return False
    return True
