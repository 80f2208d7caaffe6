"""A switch is closed while another thread asks it something, as a save of its flows may do at that moment.

It said "Already borrowed", and the bridge stayed half removed.
"""

from __future__ import annotations

import threading

from tulle._native import NativeError, Switch


def test_a_switch_can_be_closed_while_it_is_asked() -> None:
    for round in range(5):
        switch, begun = Switch(f"close{round}", 1, 1), threading.Event()
        failures: list[BaseException] = []

        def ask(
            switch: Switch = switch, begun: threading.Event = begun, failures: list[BaseException] = failures
        ) -> None:
            try:
                while True:
                    switch.flows()
                    begun.set()
            except NativeError:
                return  # It is closed.
            except BaseException as error:
                failures.append(error)

        asking = [threading.Thread(target=ask) for _ in range(4)]
        for thread in asking:
            thread.start()
        assert begun.wait(60)
        switch.close()
        for thread in asking:
            thread.join(60)
            assert not thread.is_alive()
        assert not failures, failures
