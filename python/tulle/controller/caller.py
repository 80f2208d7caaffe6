"""Who asks: the user at the other end of a unix socket, as the kernel knows it (unix(7), SO_PEERCRED)."""

from __future__ import annotations

import pwd
import socket
import struct

from aiohttp import web

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


def caller(request: web.Request) -> str:
    """The user's name, `uid N` where it has none; empty where the transport does not know."""
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("socket")
    if peer is None or peer.family != socket.AF_UNIX:
        return ""
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(data)[1]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
