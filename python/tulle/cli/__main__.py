"""`python -m tulle.cli` is `tulle`."""

from tulle.cli.main import run

run()
