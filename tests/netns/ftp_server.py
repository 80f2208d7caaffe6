"""An FTP server (pyftpdlib) on all addresses, port 21, that gives and takes files in the directory given.

It refuses to connect to any other address than the one it knows its client by, and writes to `seen` who came.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer


class Handler(FTPHandler):
    """Anybody may write."""

    authorizer = DummyAuthorizer()
    directory = Path(sys.argv[1])

    def on_login(self, username: str) -> None:
        """Note who has come, as the server knows it."""
        with (self.directory / "seen").open("a") as seen:
            seen.write(f"{username} {self.remote_ip}\n")


Handler.authorizer.add_user("me", "secret", str(Handler.directory), perm="elradfmw")
server = FTPServer(("::", 21), Handler)
print("ready", flush=True)
server.serve_forever()
