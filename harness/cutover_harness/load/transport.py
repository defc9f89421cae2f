"""Messages between a master and its workers: encrypted, and refused without the shared secret.

Locust's own wire is plain: whoever reaches the port may register as a worker. With a secret both ends use CURVE (the
protocol of ZeroMQ), whose keys follow from it: a peer without the secret cannot even finish the handshake, reads
nothing and reaches no client. Without a secret only addresses of this machine are used.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import zmq
from locust.rpc import zmqrpc
from zmq.utils import z85

from cutover_harness import exit_codes
from cutover_harness.errors import UsageError
from cutover_harness.load.secret import VARIABLE, check_open, read_secret


@dataclass(frozen=True)
class Keys:
    """The key pairs of both ends; each end has both, as it has the secret that they are derived from."""

    server_secret: bytes
    client_secret: bytes

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """Return the keys derived from a secret; slow on purpose."""
        key = hashlib.scrypt(secret, salt=b"kafka-cutover load", n=1 << 14, r=8, p=1, dklen=64)
        return cls(z85.encode(key[:32]), z85.encode(key[32:]))

    def secure(self, each: Any, *, server: bool) -> None:
        """Set the keys on a ZeroMQ socket that is not connected yet."""
        if server:
            each.curve_server = True
            each.curve_secretkey = self.server_secret
            each.curve_publickey = zmq.curve_public(self.server_secret)
        else:
            each.curve_serverkey = zmq.curve_public(self.server_secret)
            each.curve_secretkey = self.client_secret
            each.curve_publickey = zmq.curve_public(self.client_secret)


def install() -> None:
    """Make Locust use the secret that the environment names; call it before Locust creates a runner."""
    try:
        secret = read_secret(os.environ[VARIABLE]) if VARIABLE in os.environ else None
    except UsageError as why:
        _end(why)
    keys = None if secret is None else Keys.of(secret)
    make: Callable[..., None] = zmqrpc.BaseSocket.__init__

    def secured(self: Any, sock_type: int, *rest: Any) -> None:
        make(self, sock_type, *rest)
        if keys is not None:
            keys.secure(self.socket, server=sock_type == zmq.ROUTER)

    zmqrpc.BaseSocket.__init__ = secured  # type: ignore[method-assign]
    _check_first(zmqrpc.Server, "--master-bind-host", secret)
    _check_first(zmqrpc.Client, "--master-host", secret)


def _check_first(kind: Any, option: str, secret: bytes | None) -> None:
    make: Callable[..., None] = kind.__init__

    def checked(self: Any, host: str, *rest: Any) -> None:
        try:
            check_open(option, host, secret)
        except UsageError as why:
            _end(why)
        make(self, host, *rest)

    kind.__init__ = checked


def _end(why: UsageError) -> NoReturn:
    print(f"kafka-cutover: {why}", file=sys.stderr, flush=True)
    sys.exit(exit_codes.REFUSED)
