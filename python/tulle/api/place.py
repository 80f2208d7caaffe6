"""Where the controller's API socket is, when nobody says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tulle.errors import NotFound

VARIABLE: Final = "TULLE_API"
RUN: Final = Path("/run/tulle")


def api_socket(environment: Mapping[str, str], run: Path = RUN) -> Path:
    """$TULLE_API, else /run/tulle/api.sock, else the socket of the only lab; NotFound says what was tried."""
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    usual = run / "api.sock"
    if usual.is_socket():
        return usual
    labs = sorted(run.glob("labs/*/api.sock")) + sorted(run.glob("labs/*/controller/api.sock"))
    if len(labs) == 1:
        return labs[0]
    if labs:
        names = ", ".join(str(path) for path in labs)
        raise NotFound(f"several labs run; set {VARIABLE} to one of {names}", code="no-controller")
    tried = f"{VARIABLE} is not set, {usual} does not exist, and no lab runs"
    raise NotFound(f"no controller found: {tried}", code="no-controller")
