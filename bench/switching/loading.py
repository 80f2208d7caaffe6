"""Many flows by `ovs-ofctl add-flows`: the time it takes, and the switch's memory afterwards."""

from __future__ import annotations

import re
import time
from pathlib import Path

from switching.bench import Bench
from switching.figures import Figure, Line, NotYet
from switching.spaces import namespace
from switching.switches import SWITCHES, Switch

LOAD_S = 300
# What a switch without bundles answers.
NO_BUNDLES = ("OFPBRC_BAD_VENDOR", "OFPBRC_BAD_TYPE", "version negotiation failed")


def plain(bench: Bench) -> list[Figure]:
    """One flow after the other: the tool waits for the answer to each."""
    return _measure(bench, "plain", "one by one")


def bundle(bench: Bench) -> list[Figure]:
    """All flows as one bundle."""
    return _measure(bench, "bundle", "as a bundle", "--bundle")


def _measure(bench: Bench, name: str, how: str, *options: str) -> list[Figure]:
    count = bench.size.flows
    costs = Figure(Line(f"add_flows_{name}_cpu", "the switch's processor time for it", "s", "lower"))
    times = Figure(Line(f"add_flows_{name}_time", f"{count:,} flows added {how}", "s", "lower", 1.0))
    memory = Figure(Line(f"add_flows_{name}_memory", "memory after it", "MB", "lower", 1.0))
    file = bench.directory / f"{name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{flow(number)}\n" for number in range(count)))
    for run in range(bench.size.load_runs):
        for kind in SWITCHES if run % 2 else reversed(SWITCHES):
            bench.tell(f"run {run + 1}: {count:,} flows {how}, {kind.name}")
            try:
                seconds, cpu_s, megabytes = _load(
                    kind, bench.directory / f"{name}-{run}", file, count, options
                )
            except NotYet as reason:
                times.note = memory.note = str(reason)
                continue
            times.add(kind.name, seconds)
            costs.add(kind.name, cpu_s)
            memory.add(kind.name, megabytes)
    return [times, costs, memory]


def _load(
    kind: type[Switch], directory: Path, file: Path, count: int, options: tuple[str, ...]
) -> tuple[float, float, float]:
    """Seconds, seconds of the switch's processor time, megabytes."""
    with namespace(kind.name) as space:
        switch = kind(directory / kind.name, space)
        try:
            switch.start()
            started, used = time.perf_counter(), switch.cpu_ns()
            try:
                switch.ofctl("add-flows", str(file), *options, timeout_s=LOAD_S)
            except RuntimeError as error:
                if kind.name == "ours" and options and any(word in str(error) for word in NO_BUNDLES):
                    raise NotYet("ours knows no bundles yet") from None
                raise
            seconds, used = time.perf_counter() - started, switch.cpu_ns() - used
            _check(switch, count)
            return seconds, used / 1e9, switch.memory_mb()
        finally:
            switch.stop()


def _check(switch: Switch, count: int) -> None:
    told = switch.ofctl("dump-aggregate")
    found = re.search(r"flow_count=(\d+)", told)
    if found is None or int(found[1]) != count:
        raise RuntimeError(f"{switch.name} has not {count} flows: {told}")


def flow(number: int) -> str:
    """The flows of many small networks: a few tables, a few masks, many values."""
    network, host = divmod(number, 100)
    address = f"10.{network >> 8 & 255}.{network & 255}.{host}"
    priority = 10 + number % 7
    match number % 4:
        case 0:
            match_, actions = (
                f"metadata={network},dl_dst=02:00:00:{_mac(number)}",
                "load:5->NXM_NX_REG15[],resubmit(,30)",
            )
        case 1:
            match_, actions = f"ip,metadata={network},nw_dst={address}", "dec_ttl,resubmit(,12)"
        case 2:
            match_, actions = f"tcp,metadata={network},nw_src={address},tp_dst={host + 1000}", "resubmit(,12)"
        case _:
            match_, actions = f"metadata={network},reg15={number}", f"set_field:{number}->tun_id,output:2"
    return f"table={(10, 21, 11, 30)[number % 4]},priority={priority},{match_},actions={actions}"


def _mac(number: int) -> str:
    return f"{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
