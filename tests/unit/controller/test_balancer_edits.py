"""Edits of load balancers, in the words in which files speak of them."""

from __future__ import annotations

from controller_fixture import NODES, Cores

from tulle.logical import Edit
from tulle.values import Backend

TEXT = """networks:
  - name: red
    switches: [{name: web, subnets: [10.0.1.0/24]}]
    ports:
      - {name: web1, switch: web, addresses: [10.0.1.11]}
      - {name: web2, switch: web, addresses: [10.0.1.12]}
    load_balancers:
      - {name: shop, switch: web, protocol: tcp, vips: [10.0.1.80], dport: 80, backends: [{port: web1}]}
"""


def test_a_load_balancer_is_added_changed_and_removed_by_edits() -> None:
    cores = Cores()
    cores.register(*NODES)
    cores.intent.apply(TEXT, "red.yaml")
    backends = [{"port": "web1"}, {"port": "web2", "dport": 8080}]
    cores.intent.edit("red", [Edit("load balancer", "shop", {"backends": backends, "check_s": 2})])
    values = {
        "switch": "web",
        "protocol": "udp",
        "vips": ["10.0.1.53"],
        "dport": 53,
        "backends": [{"port": "web1"}],
    }
    cores.intent.edit("red", [Edit("load balancer", "dns", values)])
    dns, shop = cores.intent.network("red").network.load_balancers
    assert shop.backends == (Backend("web1"), Backend("web2", None, 8080)) and shop.check_s == 2
    assert shop.vips == ("10.0.1.80",) and dns.protocol == "udp"
    cores.intent.edit("red", [Edit("load balancer", "shop", None)])
    assert cores.intent.network("red").network.load_balancers == (dns,)
    assert cores.intent.history("red")[-1]["generation"] == 4
