"""`tulle controller|agent|vswitch|ovsdb-server`: the processes, each imported only when it is run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tulle.encap import EXCLUSIVE
from tulle.errors import InvalidInput

Directory = Annotated[Path, typer.Option("--directory", help="Where databases and sockets are.")]
PrivateKey = Annotated[Path | None, typer.Option("--private-key", help="For TLS: a PEM file.")]
Certificate = Annotated[
    Path | None, typer.Option("--certificate", help="For TLS: a PEM file; an agent's is for the node's name.")
]
CaCert = Annotated[
    Path | None, typer.Option("--ca-cert", help="For TLS: the authority to trust, a PEM file.")
]


def controller(
    directory: Directory = Path("/run/tulle"),
    remote: Annotated[
        list[str] | None,
        typer.Option("--remote", help="Serve the databases here too: ptcp:6640:ADDRESS, pssl:6640:ADDRESS"),
    ] = None,
    api: Annotated[Path | None, typer.Option("--api", help="Default: DIRECTORY/api.sock")] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", help="Keep the databases on a cluster: tcp:A:6640,tcp:B:6640,tcp:C:6640"),
    ] = None,
    private_key: PrivateKey = None,
    certificate: Certificate = None,
    ca_cert: CaCert = None,
) -> None:
    """Run the controller; with --store, several may run, of which one is active and has its API socket.

    tulle controller --directory /var/lib/tulle --remote ptcp:6640:172.31.0.254
    """
    from tulle.controller import Options, main
    from tulle.ovsdb.tls import Credentials

    credentials = Credentials.of_options(private_key, certificate, ca_cert)
    raise typer.Exit(main(Options(directory, tuple(remote or ()), api, store, credentials)))


def ovsdb_server(context: typer.Context) -> None:
    """Run an OVSDB server; it takes the options of ovsdb-server(1), see --help.

    tulle ovsdb-server --remote punix:/run/db.sock --unixctl /run/db.ctl conf.db
    """
    from tulle.ovsdb.command import main

    raise typer.Exit(main(context.args))


def vswitch(
    directory: Directory = Path("/run/tulle/vswitch"),
    db: Annotated[Path | None, typer.Option("--db", help="Default: DIRECTORY/conf.db")] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The name of this node, for external_ids:system-id and hostname."),
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Take the place of the one that runs, with its ports and flows."),
    ] = False,
) -> None:
    """Run the switch of a node.

    tulle vswitch --directory /run/tulle/vswitch --name node1

    SIGHUP replaces the forwarding process, with its ports and flows; SIGTERM ends it all.
    """
    words = [str(directory), str(db or ""), name or "", *(["--take-over"] if take_over else [])]
    sys.stdout.flush()
    # -P: what lies in the current directory is no part of the switch.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "tulle.vswitch", *words])


def agent(
    name: Annotated[str, typer.Option("--name", help="The name of this node.")],
    address: Annotated[str, typer.Option("--address", help="Its underlay address.")],
    controller: Annotated[
        str,
        typer.Option(
            "--controller", help="tcp:HOST:6640, or ssl:HOST:6640; of a cluster, all servers with commas"
        ),
    ],
    encapsulations: Annotated[
        str, typer.Option("--encapsulations", help="What it speaks, best first, with commas.")
    ] = "stt,vxlan",
    second_address: Annotated[
        str,
        typer.Option(
            "--second-address", help="That of a second endpoint, which takes over when the first fails."
        ),
    ] = "",
    switch: Annotated[Path, typer.Option("--switch", help="The directory of the switch.")] = Path(
        "/run/tulle/vswitch"
    ),
    underlay_mtu: Annotated[int, typer.Option("--underlay-mtu", min=576, max=65535, help="In bytes.")] = 1500,
    physical: Annotated[
        list[str] | None,
        typer.Option(
            "--physical",
            help="NAME=DEVICE: a physical network for localnet ports, and its device; repeatable.",
        ),
    ] = None,
    private_key: PrivateKey = None,
    certificate: Certificate = None,
    ca_cert: CaCert = None,
) -> None:
    """Run the agent of a node, beside its switch.

    tulle agent --name node1 --address 172.31.0.1 --controller tcp:172.31.0.254:6640
    """
    from tulle.agent.process import Options, main
    from tulle.ovsdb.tls import Credentials

    main(
        Options(
            name=name,
            address=address,
            second_address=second_address,
            controller=controller,
            switch=switch,
            encapsulations=_spoken(encapsulations),
            underlay_mtu=underlay_mtu,
            credentials=Credentials.of_options(private_key, certificate, ca_cert),
            physical=_devices(physical or []),
        )
    )


def _devices(given: list[str]) -> dict[str, str]:
    from tulle.logical.spelling import valid_name

    found: dict[str, str] = {}
    for one in given:
        name, sign, device = one.partition("=")
        if not sign or not device or not valid_name(name):
            raise InvalidInput(f"--physical: NAME=DEVICE was expected, {one!r} came")
        if name in found or device in found.values():
            raise InvalidInput(f"--physical: {one!r} names a physical network or a device that came before")
        found[name] = device
    return found


def _spoken(text: str) -> tuple[str, ...]:
    names = tuple(one.strip() for one in text.split(",") if one.strip())
    if set(names) >= EXCLUSIVE:
        both = " and ".join(sorted(EXCLUSIVE))
        raise InvalidInput(f"--encapsulations: one of {both} was expected, both came")
    return names
