"""The golden frames of BFD, as tshark reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scapy.utils import wrpcap
from test_vectors import HERE, Vector, vectors

CHECKS = ("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
WRONG = "_ws.malformed || ip.checksum.status==0 || udp.checksum.status==0 || _ws.expert.severity==error"


def tshark(file: Path, *words: str) -> list[str]:
    done = subprocess.run(
        ["tshark", "-n", "-r", str(file), *CHECKS, *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_tshark_reads_the_frames_as_they_are_meant(tmp_path: Path) -> None:
    file = tmp_path / "bfd.pcap"
    blocks: list[Vector] = list(vectors(HERE / "bfd.txt"))
    wrpcap(str(file), [block.frame("frame") for block in blocks], linktype=1)
    names = [name for name in blocks[0] if name not in ("name", "frame")]
    shown = tshark(file, "-T", "fields", *(word for name in names for word in ("-e", f"bfd.{name}")))
    assert shown == ["\t".join(block[name] for name in names) for block in blocks]
    assert not tshark(file, "-Y", WRONG)
