"""Transports, TLS and the control socket of `tulle ovsdb-server`, with Debian's Open vSwitch tools as peers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ovsdb_command import PYTHON_PATH, Authority, ServerCommand, run, wait_for

from tulle.errors import Unavailable
from tulle.ovsdb.client import Client
from tulle.ovsdb.tls import Credentials, Tls

MANAGERS = "db:Open_vSwitch,Open_vSwitch,manager_options"
Start = Callable[..., ServerCommand]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "switchca")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[ServerCommand] = []

    def new(*options: str) -> ServerCommand:
        files = ["--db", str(tmp_path / "conf.db"), "--schema", "vswitch"]
        started.append(ServerCommand(tmp_path, *files, *options))
        return started[-1]

    yield new
    for server in started:
        if server.process.poll() is None:
            server.stop()


def free_port(family: int = socket.AF_INET) -> int:
    """A port that was free a moment ago."""
    with socket.socket(family) as probe:
        probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return int(probe.getsockname()[1])


def credentials(authority: Authority, name: str) -> Credentials:
    key, certificate = authority.issue(name)
    return Credentials(str(key), str(certificate), str(authority.certificate))


def test_tools_reach_every_kind_of_passive_remote(start: Start, authority: Authority) -> None:
    server = start(
        "--remote=ptcp:0:127.0.0.1",
        "--remote=ptcp:0:[::1]",
        "--remote=pssl:0:127.0.0.1",
        "--remote=pssl:0:[::1]",
        *authority.options("server"),
    )
    places = [server.remote, *(f"{kind}:{host}:{server.port()}" for kind, host in KINDS)]
    for place in places:
        secure = authority.options("client") if place.startswith("ssl") else []
        assert server.run("ovsdb-client", *secure, "list-dbs", place).split() == ["Open_vSwitch", "_Server"]
    over_tls = ["--db=" + places[3], "--no-wait", "--timeout=60", *authority.options("client")]
    server.run("ovs-vsctl", *over_tls, "add-br", "br0", "--", "add-port", "br0", "p0")
    assert server.run("ovs-vsctl", *over_tls, "list-ports", "br0") == "p0"


KINDS = [("tcp", "127.0.0.1"), ("tcp", "[::1]"), ("ssl", "127.0.0.1"), ("ssl", "[::1]")]


def test_a_client_of_another_authority_or_without_tls_is_refused(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    server = start("--remote=pssl:0:127.0.0.1", *authority.options("server"))
    port = server.port()
    stranger = Authority(tmp_path, "otherca").options("stranger")
    trusting = [*stranger[:2], f"--ca-cert={authority.certificate}"]
    for options in (stranger, trusting):
        done = run("ovsdb-client", "--timeout=60", *options, "list-dbs", f"ssl:127.0.0.1:{port}")
        assert done.returncode != 0 and "Open_vSwitch" not in done.stdout, done
    with socket.create_connection(("127.0.0.1", int(port)), 10) as plain:
        plain.sendall(b'{"method":"list_dbs","params":[],"id":0}' * 20)
        plain.settimeout(60)
        assert b"Open_vSwitch" not in read_to_end(plain)
    assert "no TLS with a client" in server.log()
    assert server.run("ovsdb-client", "list-dbs", server.remote)


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the peer closes."""
    out = b""
    try:
        while data := connection.recv(65536):
            out += data
    except ConnectionResetError:
        pass
    return out


async def test_our_client_speaks_tls_and_checks_the_server(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    server = start("--remote=pssl:0:127.0.0.1", *authority.options("server"))
    place = f"ssl:127.0.0.1:{server.port()}"
    given = credentials(authority, "client")
    async with await Client.connect(place, tls=Tls(lambda: given)) as client:
        assert "Open_vSwitch" in await client.databases()
    wrong = Authority(tmp_path, "otherca")
    doubting = Credentials(given.private_key, given.certificate, str(wrong.certificate))
    with pytest.raises(Unavailable, match="certificate verify failed"):
        await Client.connect(place, tls=Tls(lambda: doubting))
    with pytest.raises(Unavailable, match="private key"):
        await Client.connect(place)


def test_old_tls_is_refused(start: Start, authority: Authority) -> None:
    server = start("--remote=pssl:0:127.0.0.1", *authority.options("server"))
    key, certificate = authority.issue("client")
    words = ["-connect", f"127.0.0.1:{server.port()}", "-key", str(key), "-cert", str(certificate)]
    base = ["openssl", "s_client", *words, "-CAfile", str(authority.certificate)]
    old = subprocess.run(
        [*base, "-tls1_1", "-cipher", "ALL@SECLEVEL=0"], input="", capture_output=True, text=True, timeout=60
    )
    assert "Cipher is (NONE)" in old.stdout, old
    new = subprocess.run([*base, "-tls1_2"], input="", capture_output=True, text=True, timeout=60)
    assert "Verify return code: 0" in new.stdout, new


def test_the_server_connects_out_over_tcp_and_tls(start: Start, authority: Authority) -> None:
    server = start(f"--remote={MANAGERS}", *authority.options("server"))
    for kind, options in (("tcp", []), ("ssl", authority.options("client"))):
        port = free_port()
        server.vsctl("set-manager", f"{kind}:127.0.0.1:{port}")
        listening = f"--db=p{kind}:{port}:127.0.0.1"
        server.run("ovs-vsctl", listening, *options, "--no-wait", "--timeout=60", "add-br", f"br-{kind}")
    assert server.vsctl("list-br").split() == ["br-ssl", "br-tcp"]


def test_managers_in_the_table_come_go_and_are_told_their_status(start: Start) -> None:
    server = start(f"--remote={MANAGERS}")
    first, second = free_port(), free_port(socket.AF_INET6)
    server.vsctl("set-manager", f"ptcp:{first}:127.0.0.1", f"ptcp:{second}:[::1]", "nonsense")
    wait_for(
        lambda: all(run("ovsdb-client", "list-dbs", one).returncode == 0 for one in places(first, second))
    )
    with socket.create_connection(("127.0.0.1", first), 10):
        row = "--columns=target,is_connected,status"
        wait_for(lambda: "is_connected        : true" in server.vsctl(row, "list", "manager"))
        assert f'bound_port="{first}"' in server.vsctl(row, "list", "manager")
    server.vsctl("del-manager")
    wait_for(
        lambda: all(run("ovsdb-client", "list-dbs", one).returncode != 0 for one in places(first, second))
    )
    assert "remote=nonsense" in server.log()


def places(first: int, second: int) -> list[str]:
    return [f"tcp:127.0.0.1:{first}", f"tcp:[::1]:{second}"]


def test_either_side_can_bootstrap_the_authority(start: Start, authority: Authority, tmp_path: Path) -> None:
    learned = tmp_path / "learned.pem"
    own = authority.options("server")[:2]
    server = start(f"--remote={MANAGERS}", f"--bootstrap-ca-cert={learned}", *own)
    port = free_port()
    server.vsctl("set-manager", f"ssl:127.0.0.1:{port}")
    known = [*authority.options("client"), f"--peer-ca-cert={authority.certificate}"]
    server.run(
        "ovs-vsctl", f"--db=pssl:{port}:127.0.0.1", *known, "--no-wait", "--timeout=60", "add-br", "br0"
    )
    assert pem(learned) == pem(authority.certificate)
    server.stop()
    peer = f"--peer-ca-cert={authority.certificate}"
    server = start("--remote=pssl:0:127.0.0.1", *authority.options("server"), peer)
    theirs = tmp_path / "theirs.pem"
    bootstrapping = [*authority.options("client")[:2], f"--bootstrap-ca-cert={theirs}"]
    command = ["ovs-vsctl", f"--db=ssl:127.0.0.1:{server.port()}", *bootstrapping, "--no-wait"]
    run(*command, "--timeout=10", "list-br")  # learns and gives up, as ovs-vsctl tries only once
    assert pem(theirs) == pem(authority.certificate)
    assert server.run(*command, "--timeout=60", "list-br") == "br0"


def pem(path: Path) -> str:
    text = path.read_text()
    return text[text.index("-----BEGIN") :].strip()


def test_keys_named_by_the_database_are_used_and_renewed(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    options = [f"--{name.replace('_', '-')}=db:Open_vSwitch,SSL,{name}" for name in SSL_COLUMNS]
    server = start("--remote=pssl:0:127.0.0.1", *options)
    place = f"ssl:127.0.0.1:{server.port()}"
    client = authority.options("client")
    assert run("ovsdb-client", "--timeout=10", *client, "list-dbs", place).returncode != 0
    key, certificate = authority.issue("server")
    server.vsctl("set-ssl", str(key), str(certificate), str(authority.certificate))
    assert server.run("ovsdb-client", *client, "list-dbs", place)
    other = Authority(tmp_path, "otherca")
    key, certificate = other.issue("server")
    server.vsctl("set-ssl", str(key), str(certificate), str(other.certificate))
    assert run("ovsdb-client", "--timeout=10", *client, "list-dbs", place).returncode != 0
    assert server.run("ovsdb-client", *other.options("client"), "list-dbs", place)


SSL_COLUMNS = ("private_key", "certificate", "ca_cert")


def test_ovs_appctl_drives_the_server(start: Start, tmp_path: Path) -> None:
    server = start("--no-chdir", "-vconsole:warn", "--monitor")
    run("ovsdb-tool", "create", str(tmp_path / "more.db"), "/usr/share/openvswitch/local-config.ovsschema")
    assert server.appctl("ovsdb-server/list-dbs").split() == ["Open_vSwitch", "_Server"]
    server.appctl("ovsdb-server/add-db", str(tmp_path / "more.db"))
    assert "Local_Config" in server.run("ovsdb-client", "list-dbs", server.remote)
    server.appctl("ovsdb-server/remove-db", "Local_Config")
    assert "Local_Config" not in server.run("ovsdb-client", "list-dbs", server.remote)
    port = free_port()
    server.appctl("ovsdb-server/add-remote", f"ptcp:{port}:127.0.0.1")
    assert server.run("ovsdb-client", "list-dbs", f"tcp:127.0.0.1:{port}")
    assert f"ptcp:{port}:127.0.0.1" in server.appctl("ovsdb-server/list-remotes")
    server.appctl("ovsdb-server/remove-remote", f"ptcp:{port}:127.0.0.1")
    assert run("ovsdb-client", "list-dbs", f"tcp:127.0.0.1:{port}").returncode != 0
    server.vsctl("add-br", "br0")
    server.appctl("ovsdb-server/compact")
    assert "br0" in server.run("ovsdb-tool", "query", str(tmp_path / "conf.db"), BRIDGES)
    assert "state: active" in server.appctl("ovsdb-server/sync-status")
    assert "cells:" in server.appctl("memory/show")
    server.appctl("vlog/set", "console:dbg")
    assert "DBG" in server.appctl("vlog/list")
    assert server.appctl("version").startswith("ovsdb-server")
    assert "ovsdb-server/add-db" in server.appctl("list-commands")
    for wrong in (["ovsdb-server/add-db", "/no/where"], ["ovsdb-server/remove-db", "x"], ["nonsense"]):
        done = run("ovs-appctl", "-t", str(server.control), *wrong)
        assert done.returncode == 2 and done.stderr, done
    server.appctl("exit")
    assert server.process.wait(60) == 0
    assert not server.socket.exists() and not server.control.exists()


BRIDGES = json.dumps(["Open_vSwitch", {"op": "select", "table": "Bridge", "where": [], "columns": ["name"]}])


def test_a_detached_server_serves_when_its_parent_ends(tmp_path: Path) -> None:
    run("ovsdb-tool", "create", str(tmp_path / "conf.db"), "/usr/share/openvswitch/vswitch.ovsschema")
    environment = {**os.environ, "PYTHONPATH": PYTHON_PATH, "OVS_RUNDIR": str(tmp_path)}
    command = [sys.executable, "-m", "tulle.ovsdb", "--remote=punix:db.sock", "--pidfile", "--detach"]
    command += [f"--log-file={tmp_path}/log", "-vconsole:off", "-vfile:dbg", "conf.db"]

    def launch() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    done = launch()
    assert done.returncode == 0, done
    pid = int((tmp_path / "ovsdb-server.pid").read_text())
    try:
        assert run("ovsdb-client", "list-dbs", f"unix:{tmp_path}/db.sock").returncode == 0
        assert str(Path(f"/proc/{pid}/cwd").readlink()) == "/"
        second = launch()
        assert second.returncode == 1 and "pidfile" in second.stderr, second
        appctl = subprocess.run(
            ["ovs-appctl", "-t", "ovsdb-server", "version"], env=environment, capture_output=True, text=True
        )
        assert appctl.returncode == 0, appctl
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{pid}").exists())
    assert not (tmp_path / "ovsdb-server.pid").exists() and not (tmp_path / "db.sock").exists()


def test_a_command_line_that_cannot_work_says_why(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": PYTHON_PATH}
    for options, said in (
        (["missing.db"], "no such database file"),
        (["--no-dbs", "--remote=nonsense"], "expected unix:PATH"),
        (["--no-dbs", "--remote=pssl:0"], "private key"),
        (["--no-dbs", "--private-key=x"], "together"),
        (["--no-dbs", "--private-key=x", "--certificate=y", "--ca-cert=z"], "cannot use x, y, z"),
        (["--no-dbs", "--remote=db:No,Such,column"], "unknown database"),
        (["--no-dbs", "--what"], "unrecognized"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "tulle.ovsdb", *options],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode in (1, 2) and said in done.stderr, (options, done)
        assert "Traceback" not in done.stderr, done


def test_run_gives_the_status_of_its_command(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": PYTHON_PATH}
    command = f"ovsdb-client list-dbs unix:{tmp_path}/s && exit 7"
    done = subprocess.run(
        [sys.executable, "-m", "tulle.ovsdb", "--no-dbs", f"--remote=punix:{tmp_path}/s", "--run", command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 7 and "_Server" in done.stdout, done
