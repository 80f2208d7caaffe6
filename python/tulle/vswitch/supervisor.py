"""`tulle vswitch`: a process that forks the one that forwards, and another one when that dies.

It has everything imported and holds the TAP devices, so that a new process forwards within milliseconds.
SIGTERM and SIGINT end both; SIGHUP has the forwarding process save its flows and be replaced.  With
`take_over`, devices are taken from a supervisor that runs already, which then ends: so a new version is put in
place.  Without threads and without an event loop: a fork must find nothing half done.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from tulle.errors import Conflict, TulleError, Unavailable
from tulle.vswitch.kept import Kept, KeptDevices

RESTART = 75
"""The exit code by which the forwarding process asks for a successor (EX_TEMPFAIL of sysexits.h)."""
SOCKET = "hand-over.sock"
PATIENCE_S = 10.0
SHORT_LIFE_S = 2.0
MOST_SHORT_LIVES = 5
_logger = structlog.get_logger(__name__)
Work = Callable[[Kept], int]


class Supervisor:
    """`work(kept)` is what the forwarding process does; its result is the exit code."""

    def __init__(self, directory: Path, work: Work) -> None:
        self._path = directory / SOCKET
        self._work = work
        self._devices = KeptDevices()
        self._selector = selectors.DefaultSelector()
        self._worker = 0
        self._channel: socket.socket | None = None
        self._successor: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._is_leaving = False
        self._short_lives = 0
        self._started = 0.0

    def run(self, *, take_over: bool = False) -> int:
        """Until the end; the exit code."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        wake, waked = socket.socketpair()
        for end in (wake, waked):
            end.setblocking(False)
        signal.set_wakeup_fd(waked.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(wake, selectors.EVENT_READ, self._take_signals)
        if take_over:
            self._take_over()
        self._listen()
        gc.freeze()  # what is imported is shared with the forwarding process, as long as nobody writes to it
        self._fork()
        try:
            return self._serve()
        finally:
            self._path.unlink(missing_ok=True)

    def _serve(self) -> int:
        while True:
            for key, _ in self._selector.select():
                code = key.data(key.fileobj)
                if code is not None:
                    return int(code)

    def _take_signals(self, wake: socket.socket) -> int | None:
        code = None
        for number in wake.recv(4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._is_leaving = True
                self._signal_worker(signal.SIGTERM)
            elif number == signal.SIGHUP:
                self._signal_worker(signal.SIGHUP)
            elif number == signal.SIGCHLD and (ended := self._worker_ended()) is not None:
                code = ended
        return code

    def _worker_ended(self) -> int | None:
        """Replace a worker that died; the exit code where it is not to be replaced."""
        pid, status = os.waitpid(self._worker, os.WNOHANG) if self._worker else (0, 0)
        if pid == 0:
            return None
        self._worker = 0
        code = os.waitstatus_to_exitcode(status)
        self._drain_channel()
        if self._successor is not None:
            return self._give_away(self._successor)
        short = time.monotonic() - self._started < SHORT_LIFE_S and code != RESTART
        if self._is_leaving or code == 0 or (code == 1 and short):
            return code if code >= 0 else 128 - code
        self._short_lives = self._short_lives + 1 if short else 0
        _logger.warning("the forwarding process ended; another one follows", code=code)
        if self._short_lives >= MOST_SHORT_LIVES:
            return 1
        self._fork()
        return None

    def _fork(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._started = time.monotonic()
        self._worker = os.fork()
        if self._worker == 0:
            self._become_worker(ours, theirs)
        theirs.close()
        self._channel = ours
        self._selector.register(ours, selectors.EVENT_READ, self._take_message)

    def _become_worker(self, ours: socket.socket, theirs: socket.socket) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            ours.close()
            self._selector.close()
            if self._listener is not None:
                self._listener.close()
            code = self._work(Kept(theirs, self._devices.devices))
        except TulleError as error:
            print(f"tulle: {error}", file=sys.stderr)
        except BaseException:
            _logger.exception("the forwarding process failed")
        finally:
            os._exit(code)

    def _take_message(self, channel: socket.socket) -> None:
        if not self._devices.receive(channel):
            self._close_channel()

    def _drain_channel(self) -> None:
        """What the worker said before it died."""
        if self._channel is not None:
            self._channel.setblocking(False)
            try:
                while self._devices.receive(self._channel):
                    pass
            except OSError:
                pass
            self._close_channel()

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._selector.unregister(self._channel)
            self._channel.close()
            self._channel = None

    def _signal_worker(self, number: signal.Signals) -> None:
        if self._worker:
            os.kill(self._worker, number)

    def _listen(self) -> None:
        if _answers(self._path):
            raise Conflict(f"another switch process runs in {self._path.parent}; --take-over takes its place")
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(self._path))
        self._path.chmod(0o600)
        self._listener.listen(4)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self, listener: socket.socket) -> None:
        peer, _ = listener.accept()
        peer.settimeout(PATIENCE_S)
        self._selector.register(peer, selectors.EVENT_READ, self._take_request)

    def _take_request(self, peer: socket.socket) -> None:
        self._selector.unregister(peer)
        if self._successor is None and peer.recv(64) == b"hand-over":
            self._successor = peer
            self._signal_worker(signal.SIGHUP)
        else:
            peer.close()

    def _give_away(self, successor: socket.socket) -> int:
        if self._listener is not None:
            self._listener.close()
        self._path.unlink(missing_ok=True)
        self._devices.send_all(successor)
        successor.close()
        return 0

    def _take_over(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(PATIENCE_S)
            try:
                peer.connect(str(self._path))
                peer.send(b"hand-over")
                while self._devices.receive(peer):
                    pass
            except TimeoutError as error:
                raise Unavailable(f"the switch process in {self._path.parent} does not hand over") from error
            except OSError:
                return  # nobody runs there


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        try:
            peer.connect(str(path))
        except OSError:
            return False
    return True
