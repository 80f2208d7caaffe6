"""TLS for OVSDB connections: who we are, whom we trust, and the contexts of Python's `ssl` for it.

Peers are known by a certificate authority, not by host names (ovs-pki(8)), so names are not compared.
Files that change on disk are read again for the next connection.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from tulle.errors import InvalidInput, Unavailable
from tulle.ovsdb.remote import parse_remote

HANDSHAKE_S = 15.0
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files.  Without `ca_cert` a peer's certificate is not checked.

    `bootstrap` allows to fetch a `ca_cert` that is not there yet from the first server that is connected to.
    `peer_ca_cert` is sent to peers, so that they can do that.
    """

    private_key: str
    certificate: str
    ca_cert: str | None = None
    bootstrap: bool = False
    peer_ca_cert: str | None = None

    @classmethod
    def of_options(
        cls, private_key: Path | None, certificate: Path | None, ca_cert: Path | None
    ) -> Credentials | None:
        """Of a command line: all three or, for no TLS, none; raises `InvalidInput` for some."""
        if private_key is None and certificate is None and ca_cert is None:
            return None
        if private_key is None or certificate is None or ca_cert is None:
            raise InvalidInput("TLS needs all of --private-key, --certificate and --ca-cert")
        return cls(str(private_key), str(certificate), str(ca_cert))

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is read."""
        found = (self.private_key, self.certificate, self.ca_cert, self.peer_ca_cert)
        return tuple(path for path in found if path)


class Tls:
    """Contexts for both directions.  `credentials` is asked each time, as a database may hold them."""

    def __init__(self, credentials: Callable[[], Credentials]) -> None:
        self._credentials = credentials
        self._contexts: dict[bool, tuple[object, ssl.SSLContext]] = {}

    @property
    def needs_bootstrap(self) -> bool:
        """Whether the certificate authority is still to be learned from a server."""
        given = self._credentials()
        return given.bootstrap and given.ca_cert is not None and not Path(given.ca_cert).exists()

    def server_context(self) -> ssl.SSLContext:
        """For connections that came to us; raises `Unavailable` if a file cannot be used."""
        return self._context(True)

    def client_context(self) -> ssl.SSLContext:
        """For connections that we make; raises `Unavailable` if a file cannot be used."""
        return self._context(False)

    def learn(self, ssl_object: Any) -> None:
        """Save the self-signed certificate that ends a server's chain as `ca_cert`; raises `Unavailable`."""
        path = self._credentials().ca_cert
        assert path is not None
        chain = ssl_object._sslobj.get_unverified_chain() or []
        if not chain or chain[-1].get_info()["issuer"] != chain[-1].get_info()["subject"]:
            raise Unavailable("the server sent no self-signed certificate to bootstrap from")
        pem = ssl.DER_cert_to_PEM_cert(chain[-1].public_bytes(ssl._ssl.ENCODING_DER))  # type: ignore[attr-defined]
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
            with os.fdopen(fd, "w") as file:
                file.write(pem)
        except FileExistsError:
            return
        except OSError as error:
            raise Unavailable(f"cannot write {path}: {error}") from error
        _logger.info("trusting the certificate authority of the first server", path=path)

    def _context(self, serving: bool) -> ssl.SSLContext:
        given = self._credentials()
        try:
            key = (given, tuple(_stamp(path) for path in given.files))
            known = self._contexts.get(serving)
            if known is None or known[0] != key:
                known = self._contexts[serving] = (key, _new_context(given, serving))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Unavailable(f"cannot use {', '.join(given.files) or 'no TLS files'}: {error}") from error
        return known[1]


def tls_for(remotes: Iterable[str], credentials: Credentials | None) -> Tls | None:
    """TLS with these files, if any; raises `InvalidInput` if one cannot be used now: nobody is to be waited for.

    Also if there are none and one of the remotes is secure, or malformed.
    """
    secure = [remote for remote in remotes if parse_remote(remote).secure]
    if credentials is None:
        if secure:
            raise InvalidInput("TLS needs --private-key, --certificate and --ca-cert", where=secure[0])
        return None
    tls = Tls(lambda: credentials)
    try:
        tls.client_context()
    except Unavailable as error:
        raise InvalidInput(error.message) from error
    return tls


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino


def _new_context(given: Credentials, serving: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if serving else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if given.private_key:
        _load_own(context, given)
    if given.ca_cert and (not given.bootstrap or Path(given.ca_cert).exists()):
        context.load_verify_locations(given.ca_cert)
        context.verify_mode = ssl.CERT_REQUIRED
    elif given.ca_cert and serving:
        raise ValueError(f"{given.ca_cert} is not there yet, so no client can be checked")
    return context


def _load_own(context: ssl.SSLContext, given: Credentials) -> None:
    if given.peer_ca_cert is None:
        context.load_cert_chain(given.certificate, given.private_key)
        return
    # OpenSSL takes the chain from one file only, so the two are joined in memory.
    fd = os.memfd_create("chain")
    try:
        for path in (given.certificate, given.peer_ca_cert):
            os.write(fd, Path(path).read_bytes() + b"\n")
        context.load_cert_chain(f"/proc/self/fd/{fd}", given.private_key)
    finally:
        os.close(fd)


def common_name(certificate: Any) -> str | None:
    """The common name of a verified peer, from `getpeercert()`."""
    for part in (certificate or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return None
