"""`tulle controller|agent|vswitch|ovsdb-server`: the processes, each imported only when it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Directory = Annotated[Path, typer.Option("--directory", help="Where databases and sockets are.")]


def controller(
    directory: Directory = Path("/run/tulle"),
    remote: Annotated[
        list[str] | None, typer.Option("--remote", help="Serve the databases here too: ptcp:6640:ADDRESS")
    ] = None,
    api: Annotated[Path | None, typer.Option("--api", help="Default: DIRECTORY/api.sock")] = None,
) -> None:
    """Run the controller.

    tulle controller --directory /var/lib/tulle --remote ptcp:6640:172.31.0.254
    """
    from tulle.controller import Options, main

    raise typer.Exit(main(Options(directory, tuple(remote or ()), api)))


def ovsdb_server(
    remote: Annotated[list[str], typer.Option("--remote", help="punix:PATH or ptcp:PORT[:HOST]")],
    db: Annotated[list[Path], typer.Option("--db", help="The file of a database.")],
    schema: Annotated[list[str], typer.Option("--schema", help="Its schema: vswitch, tulle, tulle_state.")],
) -> None:
    """Run a bare OVSDB server; give a --schema for each --db.

    tulle ovsdb-server --remote punix:/run/db.sock --db conf.db --schema vswitch
    """
    import asyncio
    from argparse import Namespace

    from tulle.ovsdb.__main__ import serve

    if len(db) != len(schema):
        raise typer.BadParameter("a --schema for each --db was expected")
    asyncio.run(serve(Namespace(remote=remote, db=db, schema=schema)))


def vswitch(
    directory: Directory = Path("/run/tulle/vswitch"),
    db: Annotated[Path | None, typer.Option("--db", help="Default: DIRECTORY/conf.db")] = None,
    name: Annotated[str, typer.Option("--name", help="The name of this node.")] = "node1",
) -> None:
    """Run the switch of a node.

    tulle vswitch --directory /run/tulle/vswitch --name node1
    """
    from tulle.vswitch.process import Options, main

    main(Options(directory=directory, database=db, name=name))


def agent(
    name: Annotated[str, typer.Option("--name", help="The name of this node.")],
    address: Annotated[str, typer.Option("--address", help="Its underlay address.")],
    controller: Annotated[str, typer.Option("--controller", help="As in tcp:172.31.0.254:6640")],
    encapsulations: Annotated[
        str, typer.Option("--encapsulations", help="What it speaks, best first, with commas.")
    ] = "stt,vxlan",
    switch: Annotated[Path, typer.Option("--switch", help="The directory of the switch.")] = Path(
        "/run/tulle/vswitch"
    ),
    underlay_mtu: Annotated[int, typer.Option("--underlay-mtu", min=576, max=65535, help="In bytes.")] = 1500,
) -> None:
    """Run the agent of a node, beside its switch.

    tulle agent --name node1 --address 172.31.0.1 --controller tcp:172.31.0.254:6640
    """
    from tulle.agent.process import Options, main

    spoken = tuple(one.strip() for one in encapsulations.split(",") if one.strip())
    main(
        Options(
            name=name,
            address=address,
            controller=controller,
            switch=switch,
            encapsulations=spoken,
            underlay_mtu=underlay_mtu,
        )
    )
