"""Traffic between workloads that goes on while something else happens: a stream of TCP, and pings."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from pyroute2 import netns

from tulle.errors import Unavailable

CHUNK_BYTES: Final = 1 << 16
PAUSE_S: Final = 0.01
PATIENCE_S: Final = 60.0
Result = TypeVar("Result")


def inside(namespace: str, do: Callable[[], Result], limit_s: float = PATIENCE_S) -> Result:
    """What `do` gives, or raises, in a network namespace; setns(2) changes only the thread that it is called on."""
    found: list[Result] = []
    raised: list[BaseException] = []

    def there() -> None:
        try:
            netns.setns(namespace)
            found.append(do())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=there, daemon=True)
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not found:
        raise Unavailable(f"nothing came of it in {namespace} within {limit_s:g} s")
    return found[0]


class Download:
    """A TCP connection by which a server sends random bytes, until `stop`; what arrives is compared with them."""

    def __init__(self, client: str, server: str, address: str, port: int) -> None:
        self._listener = inside(server, lambda: socket.create_server((address, port)))
        self._client = inside(client, lambda: socket.create_connection((address, port), PATIENCE_S))
        self._peer, _ = self._listener.accept()
        self._end = threading.Event()
        self._sent, self._got = hashlib.sha256(), hashlib.sha256()
        self.received_bytes = 0
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._send, self._receive)]
        for one in self._threads:
            one.start()

    def stop(self) -> bool:
        """Ends it; whether all bytes came, in order."""
        self._end.set()
        for one in self._threads:
            one.join(PATIENCE_S)
        done = not any(one.is_alive() for one in self._threads)
        for sock in (self._client, self._peer, self._listener):
            sock.close()
        return done and self.received_bytes > 0 and self._sent.digest() == self._got.digest()

    def _send(self) -> None:
        self._peer.settimeout(PATIENCE_S)
        while not self._end.wait(PAUSE_S):
            data = os.urandom(CHUNK_BYTES)
            self._peer.sendall(data)
            self._sent.update(data)
        self._peer.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        self._client.settimeout(PATIENCE_S)
        while data := self._client.recv(CHUNK_BYTES):
            self._got.update(data)
            self.received_bytes += len(data)


def connects(client: str, address: str, port: int, patience_s: float = 1.0) -> bool:
    """Whether a workload gets any answer to a TCP connection, a refusal among them."""

    def try_it() -> bool:
        try:
            socket.create_connection((address, port), patience_s).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True

    return inside(client, try_it)
