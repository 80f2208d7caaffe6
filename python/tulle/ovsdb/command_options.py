"""The command line of `tulle ovsdb-server`: the one of ovsdb-server(1) as far as scripts use it.

Optional values need `=`, as with the original: `--pidfile=FILE`.  `--db FILE --schema NAME` is ours: it creates
a file that is not there yet with a schema that ships with Tulle, or the one in a file.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

_OPTIONAL = ("--pidfile", "--log-file", "--verbose")
_IGNORED_FLAGS = (
    "--monitor",
    "--overwrite-pidfile",
    "--no-self-confinement",
    "--disable-file-column-diff",
    "--active",
)
_IGNORED_VALUES = ("--ssl-protocols", "--ssl-ciphers", "--syslog-method", "--syslog-target")
_IGNORED = frozenset(_IGNORED_FLAGS + _IGNORED_VALUES)


def run_folder() -> Path:
    """Where sockets and pidfiles are when nobody says otherwise: OVS_RUNDIR, or Open vSwitch's own."""
    return Path(os.environ.get("OVS_RUNDIR", "/var/run/openvswitch"))


def parse_options(words: list[str]) -> argparse.Namespace:
    """Parse the command line; exits with a message and status 2 if it is wrong."""
    parser = _new_parser()
    options = parser.parse_args(_normalise(words))
    if len(options.db) != len(options.schema):
        parser.error("give a --schema for each --db")
    if options.bootstrap_ca_cert and options.ca_cert:
        parser.error("give --ca-cert or --bootstrap-ca-cert")
    if bool(options.private_key) != bool(options.certificate):
        parser.error("give --private-key and --certificate together")
    options.ignored = [name for name in (word.split("=")[0] for word in words) if name in _IGNORED]
    _default(options)
    return options


def _normalise(words: list[str]) -> list[str]:
    """argparse would take the word after an optional value; getopt_long(3) does not."""
    out = []
    for word in words:
        if word.startswith("-v") and not word.startswith("--"):
            word = "--verbose=" + word[2:].removeprefix("=")
        out.append(word + "=" if word in _OPTIONAL else word)
    return out


def _default(options: argparse.Namespace) -> None:
    folder = run_folder()
    if options.pidfile == "":
        options.pidfile = folder / "ovsdb-server.pid"
    if options.log_file == "":
        options.log_file = Path(os.environ.get("OVS_LOGDIR", "/var/log/openvswitch")) / "ovsdb-server.log"
    if options.unixctl is None and options.pidfile is not None:
        options.unixctl = folder / "ovsdb-server.{pid}.ctl"
    elif options.unixctl == "none":
        options.unixctl = None
    for name in ("pidfile", "log_file", "unixctl"):
        if (given := getattr(options, name)) is not None:
            setattr(options, name, Path(given).absolute())
    if not options.databases and not options.db and not options.no_dbs:
        options.databases = [Path(os.environ.get("OVS_DBDIR", "/etc/openvswitch")) / "conf.db"]
    options.databases = [path.absolute() for path in options.databases]
    options.db = [path.absolute() for path in options.db]


def _new_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tulle ovsdb-server", description="An OVSDB server.  Optional values need =.", allow_abbrev=False
    )

    def add(*names: str, **how: Any) -> None:
        parser.add_argument(*names, **how)

    add("databases", nargs="*", type=Path, metavar="DATABASE", help="database files")
    add("--remote", action="append", default=[], help="punix:, ptcp:, pssl:, unix:, tcp:, ssl:, db:")
    add("--db", action="append", default=[], type=Path, metavar="FILE", help="a file, created if need be")
    add("--schema", action="append", default=[], help="its schema: vswitch, tulle, tulle_state or a file")
    add("--no-dbs", action="store_true", help="start without a database")
    add("--unixctl", metavar="SOCKET", help="control socket, or none")
    add("--run", metavar="COMMAND", help="run a command, then exit with its status")
    add("-p", "--private-key", metavar="FILE", help="PEM, or db:DATABASE,TABLE,COLUMN")
    add("-c", "--certificate", metavar="FILE", help="PEM, or db:DATABASE,TABLE,COLUMN")
    add("-C", "--ca-cert", metavar="FILE", help="who signs peers: PEM, db:DATABASE,TABLE,COLUMN or none")
    add(
        "--bootstrap-ca-cert", metavar="FILE", help="like --ca-cert, fetched from the first server if missing"
    )
    add("--peer-ca-cert", metavar="FILE", help="sent to peers that bootstrap from us")
    add("--detach", action="store_true", help="run in the background")
    add("--no-chdir", action="store_true", help="do not change to / with --detach")
    add("--pidfile", metavar="FILE", help="[=FILE] write the process id")
    add("--log-file", metavar="FILE", help="[=FILE] log here too")
    add("--verbose", "-v", action="append", default=[], metavar="SPEC", help="[=SPEC] levels of logging")
    add("-V", "--version", action="store_true")
    for name in _IGNORED_FLAGS:
        add(name, action="store_true", help=argparse.SUPPRESS)
    for name in _IGNORED_VALUES:
        add(name, help=argparse.SUPPRESS)
    return parser
