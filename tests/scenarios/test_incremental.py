"""What is compiled step by step is what is compiled as a whole."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from random_steps import sequences

from tulle.control import allocate
from tulle.logical import compile_interfaces, compile_network
from tulle.logical.incremental import Incremental, Unit, joined
from tulle.logical.numbers import grouped
from tulle.values import Flow, Ids, Network

SETTINGS = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@SETTINGS
@given(sequences())
def test_any_sequence_of_changes_gives_the_flows_of_a_full_compilation(steps: list[Network]) -> None:
    incremental, kept, ids = Incremental(), dict[Unit, tuple[Flow, ...]](), Ids()
    for at, network in enumerate(steps):
        ids = allocate((network,), ids)
        given_ids = Ids(ids.datapaths, grouped(ids.ports)) if at % 2 else ids
        delta = incremental.update(network, given_ids)
        for unit in delta.gone:
            del kept[unit]
        kept.update(delta.compiled)
        whole = compile_network(network, ids)
        assert sorted(joined(kept), key=repr) == sorted(whole, key=repr)
        if not network.paused:
            assert delta.routers == compile_interfaces(network, ids)
        again = incremental.update(network, given_ids)
        assert not again.compiled and not again.gone
