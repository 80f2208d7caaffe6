"""Debian's tools and daemons and the `ovs` package, unchanged, against our server as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from ended_process import finish, wait_for
from ovsdb_peer_server import SCHEMAS, PeerServer

Serve = Callable[..., PeerServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    servers: list[PeerServer] = []

    def start(*databases: str) -> PeerServer:
        servers.append(PeerServer(tmp_path, *databases))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def vsctl(server: PeerServer, *arguments: str, status: int = 0) -> str:
    base = ("ovs-vsctl", f"--db={server.remote}", "--no-wait", "--timeout=60")
    return server.run(*base, *arguments, status=status).strip()


def test_ovs_vsctl_does_what_scripts_ask_of_it(serve):
    server = serve("Open_vSwitch")
    vsctl(server, "init")
    vsctl(server, "--may-exist", "add-br", "br0", "--", "--may-exist", "add-br", "br0")
    vsctl(
        server,
        "add-port",
        "br0",
        "p0",
        "tag=3",
        "--",
        "set",
        "interface",
        "p0",
        "type=internal",
        "mtu_request=1400",
    )
    vsctl(server, "add-bond", "br0", "bond0", "e0", "e1", "bond_mode=balance-slb", "lacp=active")
    assert sorted(vsctl(server, "list-ports", "br0").split()) == ["bond0", "p0"]
    assert vsctl(server, "port-to-br", "p0") == "br0" and vsctl(server, "iface-to-br", "e1") == "br0"
    assert vsctl(server, "get", "interface", "p0", "mtu_request", "type") == "1400\ninternal"
    vsctl(server, "set-controller", "br0", "tcp:127.0.0.1:6653", "--", "set-fail-mode", "br0", "secure")
    assert vsctl(server, "get-controller", "br0") == "tcp:127.0.0.1:6653"
    vsctl(server, "set", "bridge", "br0", "other_config:a=1", "other_config:b=2", "external_ids:x=y")
    vsctl(server, "remove", "bridge", "br0", "other_config", "a", "--", "br-set-external-id", "br0", "k", "v")
    assert vsctl(server, "get", "bridge", "br0", "other_config", "external_ids") == '{b="2"}\n{k=v, x=y}'
    internal = vsctl(server, "--bare", "--columns=name", "find", "interface", "type=internal")
    assert sorted(internal.split()) == ["br0", "p0"]
    vsctl(server, "--id=@m", "create", "mirror", "name=m0", "--", "add", "bridge", "br0", "mirrors", "@m")
    vsctl(
        server,
        "--",
        "--id=@p",
        "get",
        "port",
        "p0",
        "--",
        "set",
        "mirror",
        "m0",
        "select_all=1",
        "output-port=@p",
    )
    assert "select_all          : true" in vsctl(server, "list", "mirror", "m0")
    vsctl(server, "clear", "bridge", "br0", "mirrors")
    assert vsctl(server, "list", "mirror") == "", "a row that nobody refers to goes"
    qos = vsctl(server, "create", "qos", "type=linux-htb")
    vsctl(server, "destroy", "qos", qos)
    vsctl(server, "--if-exists", "destroy", "qos", qos)
    assert "no row" in vsctl(server, "destroy", "qos", qos, status=1)
    vsctl(server, "wait-until", "port", "p0", "tag=3")
    vsctl(server, "del-port", "p0", "--", "--if-exists", "del-port", "p0", "--", "del-br", "br0")
    assert vsctl(server, "list-br") == "" and "ovs_version" not in vsctl(server, "show")
    assert vsctl(server, "emer-reset") == ""


def test_ovs_vsctl_waits_until_another_client_writes(serve):
    server = serve("Open_vSwitch")
    vsctl(server, "add-br", "br0")
    command = [
        "ovs-vsctl",
        f"--db={server.remote}",
        "--timeout=60",
        "wait-until",
        "bridge",
        "br0",
        "external_ids:go=1",
    ]
    waiting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert waiting.poll() is None
        vsctl(server, "set", "bridge", "br0", "external_ids:go=1")
        output, _ = waiting.communicate(timeout=60)
        assert (waiting.returncode, output) == (0, "")
    finally:
        finish(waiting)


def client(server: PeerServer, verb: str, *arguments: str, stdin: IO[str] | None = None) -> str:
    return server.run("ovsdb-client", "-t", "20", verb, server.remote, *arguments, stdin=stdin)


def test_ovsdb_client_saves_and_restores_a_database(serve, tmp_path):
    server = serve("Open_vSwitch")
    vsctl(server, "add-br", "br0", "--", "add-port", "br0", "p0", "tag=4")
    saved = client(server, "backup", "Open_vSwitch")
    (tmp_path / "saved.db").write_text(saved)
    found = server.run(
        "ovsdb-tool",
        "query",
        str(tmp_path / "saved.db"),
        json.dumps(["Open_vSwitch", {"op": "select", "table": "Bridge", "where": [], "columns": ["name"]}]),
    )
    assert json.loads(found) == [{"rows": [{"name": "br0"}]}]
    columns = ("dump", "Open_vSwitch", "Port", "name", "external_ids", "tag")
    before = client(server, *columns)
    vsctl(server, "del-br", "br0", "--", "add-br", "other")
    with (tmp_path / "saved.db").open() as stdin:
        client(server, "restore", "Open_vSwitch", stdin=stdin)
    assert vsctl(server, "list-br") == "br0"
    assert client(server, *columns) == before


def changed_schema(tmp_path: Path) -> str:
    schema = json.loads(Path(SCHEMAS["Open_vSwitch"]).read_text())
    schema["version"] = "9.0.0"
    del schema["cksum"]
    schema["tables"]["Bridge"]["columns"]["color"] = {"type": {"key": "string", "min": 0}}
    del schema["tables"]["Bridge"]["columns"]["flood_vlans"]
    (tmp_path / "new.ovsschema").write_text(json.dumps(schema))
    return str(tmp_path / "new.ovsschema")


def test_ovsdb_client_converts_a_database_durably(serve, tmp_path):
    server = serve("Open_vSwitch")
    vsctl(server, "add-br", "br0")
    wanted = changed_schema(tmp_path)
    assert client(server, "needs-conversion", wanted) == "yes\n"
    client(server, "convert", wanted)
    assert client(server, "needs-conversion", wanted) == "no\n"
    server.stop(signal.SIGKILL)
    assert server.run("ovsdb-tool", "db-version", str(server.files[0])) == "9.0.0\n"
    server.start()
    assert client(server, "get-schema-version", "Open_vSwitch") == "9.0.0\n"
    color = {"op": "update", "table": "Bridge", "where": [], "row": {"color": "blue"}}
    select = {"op": "select", "table": "Bridge", "where": [], "columns": ["name", "color"]}
    answers = json.loads(client(server, "transact", json.dumps(["Open_vSwitch", color, select])))
    assert answers == [{"count": 1}, {"rows": [{"name": "br0", "color": "blue"}]}]


def test_monitor_of_a_converted_database_is_told_that_it_ended(serve, tmp_path):
    server = serve("Open_vSwitch")
    vsctl(server, "add-br", "br0")
    log = tmp_path / "monitor.log"
    with log.open("w") as output:
        command = [
            "ovsdb-client",
            "-t",
            "30",
            "--db-change-aware",
            "monitor",
            server.remote,
            "Open_vSwitch",
            "Bridge",
            "name",
        ]
        monitor = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: "br0" in log.read_text())
        client(server, "convert", changed_schema(tmp_path))
        wait_for(lambda: monitor.poll() is not None)
        assert "Open_vSwitch database was removed" in log.read_text(), "so it words a monitor_canceled"
    finally:
        finish(monitor)


def test_ovsdb_client_locks_steals_and_unlocks(serve, tmp_path):
    server = serve("Open_vSwitch")
    logs = [tmp_path / f"lock{number}" for number in range(2)]
    holders = []
    try:
        for verb, log, said in (("lock", logs[0], "locked"), ("steal", logs[1], "locked")):
            with log.open("w") as output:
                command = ["ovsdb-client", "-t", "30", verb, server.remote, "mine"]
                holders.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True))
            wait_for(lambda log=log, said=said: said in log.read_text())
        wait_for(lambda: "stolen" in logs[0].read_text())
        finish(holders[1])
        wait_for(lambda: logs[0].read_text().count("locked") == 2)
    finally:
        for holder in holders:
            finish(holder)


def test_server_database_lists_what_is_served(serve):
    server = serve("Open_vSwitch", "hardware_vtep")
    assert client(server, "list-dbs").split() == ["Open_vSwitch", "_Server", "hardware_vtep"]
    columns = ["name", "model", "connected", "leader", "cid", "sid", "index"]
    select = {"op": "select", "table": "Database", "where": [], "columns": columns}
    (answer,) = json.loads(client(server, "transact", json.dumps(["_Server", select])))
    empty = {"cid": ["set", []], "sid": ["set", []], "index": ["set", []]}
    own = {"model": "standalone", "connected": True, "leader": True, **empty}
    names = ("Open_vSwitch", "_Server", "hardware_vtep")
    assert sorted(answer["rows"], key=lambda row: row["name"]) == [{"name": name, **own} for name in names]


def test_vtep_ctl_configures_a_gateway(serve):
    server = serve("hardware_vtep")

    def vtep(*arguments: str) -> str:
        return server.run("vtep-ctl", f"--db={server.remote}", "--timeout=60", *arguments).strip()

    vtep(
        "add-ps",
        "ps0",
        "--",
        "add-port",
        "ps0",
        "p0",
        "--",
        "set",
        "Physical_Switch",
        "ps0",
        "tunnel_ips=10.0.0.1",
    )
    vtep(
        "add-ls",
        "ls0",
        "--",
        "set",
        "Logical_Switch",
        "ls0",
        "tunnel_key=77",
        "--",
        "bind-ls",
        "ps0",
        "p0",
        "5",
        "ls0",
    )
    vtep("add-ucast-remote", "ls0", "00:00:00:00:00:01", "10.0.0.2")
    vtep("add-mcast-remote", "ls0", "unknown-dst", "10.0.0.3")
    assert vtep("list-bindings", "ps0", "p0") == "0005 ls0"
    assert "00:00:00:00:00:01 -> vxlan_over_ipv4/10.0.0.2" in vtep("list-remote-macs", "ls0")
    assert "Physical_Switch ps0" in vtep("show")
    vtep(
        "unbind-ls",
        "ps0",
        "p0",
        "5",
        "--",
        "clear-remote-macs",
        "ls0",
        "--",
        "del-ls",
        "ls0",
        "--",
        "del-ps",
        "ps0",
    )
    assert (vtep("list-ls"), vtep("list-ps")) == ("", "")


def build_northbound(nbctl: Callable[..., str]) -> None:
    """Two switches, a router between them, ACLs, NAT and a load balancer."""
    nbctl("ls-add", "s0", "--", "ls-add", "s1", "--", "lr-add", "r0")
    for number in range(2):
        nbctl("lrp-add", "r0", f"r0-s{number}", f"00:00:00:00:ff:0{number}", f"10.0.{number}.1/24")
        nbctl("lsp-add", f"s{number}", f"s{number}-r0", "--", "lsp-set-type", f"s{number}-r0", "router")
        nbctl("lsp-set-addresses", f"s{number}-r0", "router")
        nbctl("lsp-set-options", f"s{number}-r0", f"router-port=r0-s{number}")
        nbctl("lsp-add", f"s{number}", f"vm{number}")
        nbctl("lsp-set-addresses", f"vm{number}", f"00:00:00:00:00:0{number} 10.0.{number}.5")
    nbctl("acl-add", "s0", "to-lport", "1000", "ip4 && tcp.dst == 22", "drop")
    nbctl("pg-add", "group", "vm0", "vm1")
    nbctl("acl-add", "group", "from-lport", "900", "ip6", "allow-related")
    nbctl("lr-nat-add", "r0", "snat", "172.16.0.1", "10.0.0.0/24")
    nbctl("lr-route-add", "r0", "0.0.0.0/0", "10.0.1.254")
    nbctl("lb-add", "lb0", "172.16.0.9:80", "10.0.0.5:80,10.0.1.5:80", "--", "ls-lb-add", "s0", "lb0")


def check_northbound(nbctl: Callable[..., str]) -> None:
    shown = nbctl("show")
    assert all(word in shown for word in ("switch", "(s0)", "router", "(r0)", "port vm1", "10.0.1.1/24")), (
        shown
    )
    assert nbctl("ls-list").count("(s") == 2 and nbctl("lsp-list", "s0").count("\n") == 2
    assert "to-lport  1000 (ip4 && tcp.dst == 22) drop" in nbctl("acl-list", "s0")
    assert "allow-related" in nbctl("acl-list", "group") and "172.16.0.1" in nbctl("lr-nat-list", "r0")
    assert nbctl("lsp-get-addresses", "vm0").strip() == "00:00:00:00:00:00 10.0.0.5"
    assert "10.0.0.5:80,10.0.1.5:80" in nbctl("lb-list")
    assert "vm0" not in nbctl("--", "lsp-del", "vm0", "--", "list", "Port_Group")
    assert nbctl("--bare", "--columns=ports", "list", "Port_Group").strip().count("-") == 4
    nbctl("lr-del", "r0", "--", "ls-del", "s0", "--", "ls-del", "s1")
    assert nbctl("list", "NAT") == "" and nbctl("ls-list") == ""


def test_ovn_nbctl_builds_networks(serve):
    server = serve("OVN_Northbound")

    def nbctl(*arguments: str) -> str:
        return server.run(
            "ovn-nbctl", f"--db={server.remote}", "--no-leader-only", "--timeout=60", *arguments
        )

    build_northbound(nbctl)
    check_northbound(nbctl)


def test_ovn_nbctl_as_a_daemon_builds_networks(serve, tmp_path):
    server = serve("OVN_Northbound")
    pid_file = tmp_path / "nbctl.pid"
    control = server.run(
        "ovn-nbctl",
        f"--db={server.remote}",
        "--detach",
        f"--pidfile={pid_file}",
        f"--log-file={tmp_path}/nbctl.log",
    ).strip()
    pid = int(pid_file.read_text())
    try:

        def nbctl(*arguments: str) -> str:
            return server.run("ovn-nbctl", "-u", control, "--timeout=60", *arguments)

        build_northbound(nbctl)
        server.stop(signal.SIGKILL)
        server.start()
        check_northbound(nbctl)
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{pid}").exists())


@pytest.fixture
def vswitchd(serve, tmp_path) -> Iterator[PeerServer]:
    """Debian's ovs-vswitchd in a network namespace, with our server as its configuration database."""
    server = serve("Open_vSwitch")
    namespace = f"tulle-peer-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    command = ["ip", "netns", "exec", namespace, "ovs-vswitchd", server.remote, "--disable-system"]
    command += [f"--log-file={tmp_path}/vswitchd.log", f"--unixctl={tmp_path}/vswitchd.ctl", "-vconsole:off"]
    process = subprocess.Popen(command, env=server.environment(), text=True)
    try:
        yield server
    finally:
        finish(process)
        subprocess.run(["ip", "netns", "del", namespace], check=True)


def test_ovs_vswitchd_runs_on_our_database(vswitchd, tmp_path):
    def run(*arguments: str) -> str:
        return vswitchd.run("ovs-vsctl", f"--db={vswitchd.remote}", "--timeout=60", *arguments).strip()

    run("init")
    run("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
    run("add-port", "br0", "p0", "--", "set", "interface", "p0", "type=internal", "ofport_request=7")
    assert run("get", "interface", "p0", "ofport", "error") == "7\n[]"
    assert run("get", "interface", "br0", "ofport") == "65534"
    mac = run("get", "interface", "p0", "mac_in_use")
    assert mac.count(":") == 5, mac
    run("add-port", "br0", "v0", "--", "set", "interface", "v0", "type=vxlan", "options:remote_ip=10.9.9.9")
    assert int(run("get", "interface", "v0", "ofport")) > 0
    vswitchd.stop(signal.SIGKILL)
    vswitchd.start()
    run("add-port", "br0", "p1", "--", "set", "interface", "p1", "type=internal", "ofport_request=9")
    assert run("get", "interface", "p1", "ofport") == "9", (tmp_path / "vswitchd.log").read_text()
    run("del-br", "br0")
    assert run("list", "interface") == ""


class Follower:
    """The IDL of the `ovs` package, with a record of what the server sent."""

    def __init__(self, server: PeerServer) -> None:
        import ovs.db.idl

        helper = ovs.db.idl.SchemaHelper(SCHEMAS["Open_vSwitch"])
        for table in ("Open_vSwitch", "Bridge", "Port", "Interface"):
            helper.register_table(table)
        self.answers: list[list[object]] = []
        answers = self.answers

        class Recorder(ovs.db.idl.Idl):  # type: ignore[misc]
            def _Idl__parse_update(self, update, version, tables=None):  # noqa: N802
                answers.append([self.last_id, update])
                return super()._Idl__parse_update(update, version, tables)

        self.idl = Recorder(server.remote, helper)

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, self.names()
            self.idl.run()
            time.sleep(0.01)

    def names(self) -> list[str]:
        return sorted(row.name for row in self.idl.tables["Bridge"].rows.values())


def test_idl_of_the_ovs_package_gets_only_what_it_missed(serve):
    from ovs.db import idl as ovs_idl

    server = serve("Open_vSwitch")
    for number in range(5):
        vsctl(server, "add-br", f"br{number}")
    follower = Follower(server)
    try:
        follower.wait_for(lambda: len(follower.names()) == 5)
        follower.idl.force_reconnect()
        follower.answers.clear()
        vsctl(server, "add-br", "missed", "--", "del-br", "br0")
        follower.wait_for(lambda: "missed" in follower.names() and "br0" not in follower.names())
        sent = [row for _id, update in follower.answers for row in update.get("Bridge", {}).values()]
        assert len(sent) == 2, f"expected one row that came and one that went: {follower.answers}"
        txn = ovs_idl.Transaction(follower.idl)
        row = next(row for row in follower.idl.tables["Bridge"].rows.values() if row.name == "missed")
        row.verify("external_ids")
        row.setkey("external_ids", "a", "b")
        assert txn.commit_block() == ovs_idl.Transaction.SUCCESS, txn.get_error()
        assert vsctl(server, "get", "bridge", "missed", "external_ids") == "{a=b}"
    finally:
        follower.idl.close()


def test_idl_of_the_ovs_package_changes_its_conditions(serve):
    server = serve("Open_vSwitch")
    vsctl(server, "add-br", "br0", "--", "add-br", "br1")
    follower = Follower(server)
    try:
        follower.idl.cond_change("Bridge", [["name", "==", "br1"]])
        follower.wait_for(lambda: follower.names() == ["br1"])
        follower.idl.cond_change("Bridge", [["name", "!=", "br1"]])
        follower.wait_for(lambda: follower.names() == ["br0"])
        vsctl(server, "add-br", "br2")
        follower.wait_for(lambda: follower.names() == ["br0", "br2"])
    finally:
        follower.idl.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_fails_transactions_and_service_goes_on(small_disk):
    server = PeerServer(small_disk, "Open_vSwitch")
    try:
        vsctl(server, "add-br", "br0")
        with (
            (small_disk / "ballast").open("wb", buffering=0) as ballast,
            pytest.raises(OSError, match="No space"),
        ):
            while True:
                ballast.write(bytes(4096))
        told = vsctl(server, "set", "bridge", "br0", f"external_ids:big={'x' * 50_000}", status=1)
        assert "I/O error" in told and "No space left" in told
        assert vsctl(server, "get", "bridge", "br0", "external_ids") == "{}", "what failed changed nothing"
        (small_disk / "ballast").unlink()
        vsctl(server, "set", "bridge", "br0", "external_ids:a=b")
        server.stop(signal.SIGKILL)
        server.start()
        assert vsctl(server, "get", "bridge", "br0", "external_ids") == "{a=b}"
    finally:
        server.stop()
