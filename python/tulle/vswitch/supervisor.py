"""`tulle vswitch`: a process that forks the one that forwards, and another one when that dies.

It has everything imported and holds the descriptors of devices, so that a new process forwards within
milliseconds.  SIGTERM and SIGINT end both; SIGHUP has the forwarding process replaced by another one, which takes
the packets over in one moment (`kept` has the words).  With `take_over`, they are taken over from a supervisor that
runs already, which then ends: so a new version is put in place.  Without threads and without an event loop: a fork
must find nothing half done.
"""

from __future__ import annotations

import gc
import selectors
import signal
import socket
from pathlib import Path

import structlog

from tulle.errors import Conflict
from tulle.vswitch.kept import ALONE, GO, HELD, LEAVING, READY, SAVED, STOP, KeptDevices
from tulle.vswitch.taking_over import HAND_OVER, OtherSupervisor, answers, predecessor
from tulle.vswitch.worker import SIGNALS, Work, Worker, fork

RESTART = 75
"""The exit code by which the forwarding process asks for a successor (EX_TEMPFAIL of sysexits.h)."""
SOCKET = "hand-over.sock"
SHORT_LIFE_S = 2.0
MOST_SHORT_LIVES = 5
MOST_AT_ONCE = 3
"""So many in a row that live shortly are followed at once; then only when all is closed that they had open."""
_logger = structlog.get_logger(__name__)


class Supervisor:
    """`work(kept)` is what the forwarding process does; its result is the exit code."""

    def __init__(self, directory: Path, work: Work) -> None:
        self._path = directory / SOCKET
        self._work = work
        self._devices = KeptDevices()
        self._selector = selectors.DefaultSelector()
        self._worker: Worker | None = None
        self._next: Worker | None = None
        self._ending: list[Worker] = []
        self._predecessor: OtherSupervisor | None = None
        self._heir: OtherSupervisor | None = None
        self._listener: socket.socket | None = None
        self._is_leaving = False
        self._is_frozen = False
        self._short_lives = 0

    def run(self, *, take_over: bool = False) -> int:
        """Until the end; the exit code."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        wake, waked = socket.socketpair()
        for end in (wake, waked):
            end.setblocking(False)
        signal.set_wakeup_fd(waked.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        self._selector.register(wake, selectors.EVENT_READ, self._take_signals)
        if take_over:
            self._predecessor = predecessor(self._path, self._devices)
        if self._predecessor is None:
            self._listen()
        else:
            self._selector.register(self._predecessor.channel, selectors.EVENT_READ, self._take_predecessor)
        gc.freeze()  # what is imported is shared with the forwarding process, as long as nobody writes to it
        self._worker = self._fork(*(() if self._predecessor else (GO, ALONE)))
        try:
            return self._serve()
        finally:
            self._stop_listening()

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
                for worker in self._workers:
                    worker.signal(signal.SIGTERM)
            elif number == signal.SIGHUP:
                self._ask_to_save()
            elif number == signal.SIGCHLD:
                for worker in (*self._workers, *self._ending):
                    if (found := worker.ended()) is not None and (
                        last := self._ended(worker, found)
                    ) is not None:
                        code = last
        return code

    @property
    def _workers(self) -> list[Worker]:
        return [worker for worker in (self._worker, self._next) if worker is not None]

    def _fork(self, *heard: str) -> Worker:
        worker = fork(self._work, self._devices.devices, heard, self._close_all)
        self._selector.register(worker.channel, selectors.EVENT_READ, lambda _: self._hear(worker))
        return worker

    def _close_all(self) -> None:
        """In a new process: what is the supervisor's."""
        others = (self._heir, self._predecessor, *self._workers, *self._ending)
        channels = [other.channel for other in others if other is not None]
        self._selector.close()
        for end in (*channels, self._listener):
            if end is not None:
                end.close()

    def _hear(self, worker: Worker) -> None:
        if not worker.is_open:
            return
        word = self._devices.receive(worker.channel)
        if word is None:
            self._selector.unregister(worker.channel)
            worker.channel.close()
            worker.is_open = False
            self._silent(worker)
        elif word == LEAVING:
            worker.is_leaving = True
        elif word == SAVED and worker is self._worker:
            self._is_frozen = True
            self._seek_successor()
        elif word == READY and (worker is self._next or self._predecessor is not None):
            self._successor_is_ready()
        elif word == HELD and worker is self._worker:
            self._hand_over()

    def _ask_to_save(self) -> None:
        if self._worker is not None and not self._is_frozen:
            self._worker.signal(signal.SIGHUP)

    def _seek_successor(self) -> None:
        if self._heir is not None:
            self._devices.send_all(self._heir.channel)
        elif self._is_leaving and self._worker is not None:
            self._worker.tell(STOP)  # nobody is to follow
        elif self._next is None:
            self._next = self._fork()

    def _successor_is_ready(self) -> None:
        if self._predecessor is not None:
            self._predecessor.say(READY)
        elif self._worker is not None:
            self._worker.tell(STOP)

    def _hand_over(self) -> None:
        """Nobody takes packets now."""
        if self._heir is not None:
            self._heir.say(GO)
        elif self._worker is not None and self._next is not None:
            self._short_lives = 0  # one that hands over in order was in order
            self._ending.append(self._worker)
            self._replace(self._next)

    def _replace(self, worker: Worker) -> None:
        self._worker, self._next, self._is_frozen = worker, None, False
        worker.tell(GO)
        self._tell_if_alone()

    def _tell_if_alone(self) -> None:
        if self._worker is not None and not self._ending and self._predecessor is None:
            self._worker.tell(ALONE)

    def _silent(self, worker: Worker) -> None:
        """A process has ended, or is dead and about to; then another one can forward already."""
        if worker is self._next:
            self._next = None
            self._ending.append(worker)
            if self._worker is not None:
                self._worker.tell(STOP)
        if worker is not self._worker:
            return
        self._worker = None
        self._ending.append(worker)
        self._short_lives = self._short_lives + 1 if worker.age_s < SHORT_LIFE_S else 0
        if self._heir is not None:
            if not self._is_frozen:
                self._devices.send_all(self._heir.channel)
            self._heir.say(GO)
        elif self._next is not None:
            self._replace(self._next)
        elif self._short_lives <= MOST_AT_ONCE and not worker.is_leaving and not self._is_leaving:
            self._start_anew()

    def _ended(self, worker: Worker, code: int) -> int | None:
        """A process is no more; the exit code where none is to follow."""
        while worker.is_open:
            self._hear(worker)
        self._ending.remove(worker)
        if self._heir is not None and self._worker is None:
            self._stop_listening()
            self._heir.channel.close()
            return 0
        if self._worker is None:
            short = worker.age_s < SHORT_LIFE_S and code != RESTART
            if self._is_leaving and code in (
                RESTART,
                -signal.SIGTERM,
            ):  # it was on the way from one to another
                return 0
            if self._is_leaving or code == 0 or (code == 1 and short):
                return code if code >= 0 else 128 - code
            if self._short_lives >= MOST_SHORT_LIVES:
                return 1
            self._start_anew()
        _logger.warning("the forwarding process ended; another one follows", code=code)
        self._tell_if_alone()
        return None

    def _start_anew(self) -> None:
        """After a death: nobody takes packets, unless another supervisor's process still does."""
        self._is_frozen = False
        self._worker = self._fork(*(() if self._predecessor else (GO,)))

    def _take_predecessor(self, channel: socket.socket) -> None:
        """Its process takes no packets any more, or it is gone altogether."""
        word = self._predecessor.hear() if self._predecessor is not None else None
        if self._worker is not None:
            self._worker.tell(GO)
        if word is None:
            self._selector.unregister(channel)
            channel.close()
            self._predecessor = None
            self._listen()
            self._tell_if_alone()

    def _listen(self) -> None:
        if answers(self._path):
            raise Conflict(f"another switch process runs in {self._path.parent}; --take-over takes its place")
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(self._path))
        self._path.chmod(0o600)
        self._listener.listen(4)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._path.unlink(missing_ok=True)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        heir = OtherSupervisor(listener.accept()[0])
        self._selector.register(heir.channel, selectors.EVENT_READ, lambda _: self._take_heir(heir))

    def _take_heir(self, heir: OtherSupervisor) -> None:
        word = heir.hear()
        if word == READY:
            self._successor_is_ready()
        elif word == HAND_OVER and self._heir is None and self._next is None:
            self._heir = heir
            self._ask_to_save()
        else:
            self._selector.unregister(heir.channel)
            heir.channel.close()
            if heir is self._heir:
                self._heir = None
                if self._is_frozen:
                    self._seek_successor()
