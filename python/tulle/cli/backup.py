"""`tulle backup` and `tulle restore`: everything that the controller keeps, in one file.

A backup of the embedded store goes into a cluster as well, and the other way round.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tulle.errors import Conflict, InvalidInput

from .context import Timeout, Wait, client
from .output import line, waiting

File = Annotated[Path, typer.Argument(metavar="FILE", help="A tar file with both databases.")]


def backup(
    context: typer.Context,
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write networks, snapshots, nodes and numbers into a file, while everything goes on.

    tulle backup before-upgrade.tar
    """
    if file.exists() and not force:
        raise Conflict(f"{file} exists; --force replaces it")
    data = client(context).backup()
    _write(file, data)
    line(f"{file}: {len(data)} bytes")


def restore(context: typer.Context, file: File, wait: Wait = False, timeout: Timeout = 30.0) -> None:
    """Make networks, snapshots, nodes and numbers as they are in a backup; what came later is gone.

    tulle restore before-upgrade.tar
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read the file: {error}", where=str(file)) from None
    answer = client(context).restore(data)
    if wait and answer["generations"]:
        with waiting("waiting until every node has applied it"):
            client(context).wait(answer["generations"], timeout)
    number = sum(answer["operations"].values())
    line(f"restored from {file}: {number} changes" if number else f"everything is as in {file} already")


def _write(file: Path, data: bytes) -> None:
    """The whole file or none, on the disk when this returns; for this user only."""
    draft = file.with_name(f".{file.name}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(descriptor)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InvalidInput(f"cannot write the file: {error}", where=str(file)) from None
