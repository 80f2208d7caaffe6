"""Addresses that nobody chose are chosen once: over applies, rollbacks and clones a port has what it had."""

from __future__ import annotations

from pathlib import Path

from controller_fixture import Cores

TEXT = (Path(__file__).parents[3] / "examples" / "services.yaml").read_text()
OWN = "\n    ports:\n"
FRONT = OWN + "      - {name: a-first, switch: web}\n"


def addresses(cores: Cores, network: str = "shop") -> dict[str, tuple[str, ...]]:
    return {port.name: port.addresses for port in cores.intent.networks()[network].network.ports}


def test_a_port_that_comes_in_front_moves_nobody():
    cores = Cores()
    cores.intent.apply(TEXT, "services.yaml")
    before = addresses(cores)
    cores.intent.apply(TEXT.replace(OWN, FRONT), "services.yaml")
    after = addresses(cores)
    assert after.pop("a-first")[0] == "10.9.1.4" and after == before


def test_a_rollback_and_a_clone_have_the_same_addresses():
    cores = Cores()
    cores.intent.apply(TEXT.replace(OWN, FRONT), "services.yaml")
    before = addresses(cores)
    cores.intent.snapshot("shop", "good")
    cores.intent.apply(TEXT, "services.yaml")
    cores.intent.rollback("shop", "good")
    assert addresses(cores) == before
    cores.intent.clone("shop", "copy", {})
    assert addresses(cores, "copy") == before
    assert cores.intent.apply(TEXT.replace(OWN, FRONT), "services.yaml").changes == ()
