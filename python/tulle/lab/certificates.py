"""The certificates of a lab with TLS: an authority of its own, and one for each process, made with `openssl`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tulle.errors import NotFound, Unavailable

DAYS = 3650
LIMIT_S = 60.0
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Certificates:
    """The PEM files in a directory; private keys are for this user only."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self) -> None:
        """Make the authority."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        key, certificate = self._files("authority")
        names = ("-subj", "/CN=Tulle lab", "-keyout", key, "-out", certificate)
        _openssl("req", "-x509", *_NEW_KEY, "-days", str(DAYS), *names)

    def issue(self, name: str) -> None:
        """Make the private key and the certificate of a node, or of the controller."""
        key, certificate = self._files(name)
        request = str(self.directory / f"{name}.csr")
        _openssl("req", "-new", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer, authority = self._files("authority")
        signed = ("-CA", authority, "-CAkey", signer, "-CAcreateserial", "-days", str(DAYS))
        _openssl("x509", "-req", "-in", request, *signed, "-out", certificate)

    def options(self, name: str) -> list[str]:
        """The options that make a process `name`."""
        key, certificate = self._files(name)
        _, authority = self._files("authority")
        return ["--private-key", key, "--certificate", certificate, "--ca-cert", authority]

    def _files(self, name: str) -> tuple[str, str]:
        return str(self.directory / f"{name}-key.pem"), str(self.directory / f"{name}.pem")


def _openssl(*words: str) -> None:
    try:
        done = subprocess.run(
            ["openssl", *words], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except FileNotFoundError:
        raise NotFound("openssl is not installed; the Debian package is openssl") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"openssl {words[0]} did not end within {LIMIT_S:g} s") from None
    if done.returncode != 0:
        raise Unavailable(f"openssl {words[0]}: {done.stderr.strip()}")
