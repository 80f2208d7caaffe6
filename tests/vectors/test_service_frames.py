"""The golden questions to services: answered byte by byte as written down, and read by tshark without complaint."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from scapy.utils import wrpcap
from test_vectors import HERE, Vector, vectors

from tulle.agent.services import Services
from tulle.control import allocate
from tulle.logical import compile_services, parse_file
from tulle.openflow import PacketIn
from tulle.values import Ids

BLOCKS: list[Vector] = list(vectors(HERE / "services.txt"))
EXAMPLE = HERE.parents[1] / "examples" / "services.yaml"
CHECKS = ("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
WRONG = "_ws.malformed || ip.checksum.status==0 || udp.checksum.status==0 || icmpv6.checksum.status==0"


@pytest.mark.parametrize("block", BLOCKS, ids=[block["name"] for block in BLOCKS])
def test_a_question_has_the_answer_that_is_written_down(block: Vector) -> None:
    networks = parse_file(EXAMPLE.read_text(), EXAMPLE.name).networks
    ids = allocate(networks, Ids())
    port = next(one for one in networks[0].ports if one.name == block["port"])
    services = Services(lambda: 0.0)
    reasons = {(11, 1): f"{block['service']} of shop/{port.switch}"}
    services.configure(compile_services(networks[0], ids), reasons, {"shop": 1500})
    switch = f"shop/{port.switch}"
    key = ids.ports[f"{switch}/{port.name}"]
    asked = PacketIn(1, 11, 1, ids.datapaths[switch], {"reg14": key}, block.frame("question"))
    found = services.answer(asked)
    assert found is not None and found.frame.hex() == block.frame("answer").hex()
    assert found.actions.endswith(f"set_field:{key:#x}->reg15,resubmit(,41)"), found.actions


def test_tshark_reads_the_answers_without_complaint(tmp_path: Path) -> None:
    file = tmp_path / "services.pcap"
    wrpcap(str(file), [block.frame("answer") for block in BLOCKS], linktype=1)
    command = ["tshark", "-n", "-r", str(file), *CHECKS, "-Y"]
    done = subprocess.run([*command, WRONG], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done
    known = "dhcp || dhcpv6 || dns || icmpv6.type==134"
    done = subprocess.run([*command, known], capture_output=True, text=True, timeout=60)
    assert len(done.stdout.splitlines()) == len(BLOCKS), done
