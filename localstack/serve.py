"""Run one S3 server in this process: ``serve.py localstack|moto PORT``.

With OQ_SERVE_UNTIL_EOF set, the server ends when its standard input does. Whoever starts it
holds the other end of a pipe, so however the starter dies, no server is left behind.
"""

import os
import runpy
import socket
import sys
import threading
from collections.abc import Callable


def until_eof() -> None:
    while os.read(0, 4096):
        pass
    # Servers have threads that do not end when asked; there is nothing here worth keeping.
    os._exit(0)


def loopback_only() -> None:
    """Bind every wildcard address to loopback instead.

    LocalStack 4.13 drops the host of GATEWAY_LISTEN and listens on all interfaces, with
    credentials that anybody can guess.
    """
    bind = socket.socket.bind
    loopback = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple):
            host = loopback.get(address[0], address[0])
            if host == "127.0.0.1" and self.family == socket.AF_INET6:
                host = "::1"
            if host not in ("127.0.0.1", "::1", "localhost"):
                raise PermissionError(f"not a loopback address: {host}")
            address = (host, *address[1:])
        bind(self, address)

    socket.socket.bind = guarded


def one_write_at_a_time() -> None:
    """Let moto decide between writers as S3 does, and list while somebody writes.

    moto 5.2 looks whether a condition holds and then writes. Another thread can write in between, as it
    does on a busy machine: then two writers are told that they were first. A listing goes through the
    bucket's dictionary, and answers 500 if that changes meanwhile.
    """
    from moto.s3.models import S3Backend
    from moto.s3.responses import S3Response

    lock = threading.RLock()

    def alone(write: Callable[..., object]) -> Callable[..., object]:
        def guarded(*args: object, **kwargs: object) -> object:
            with lock:
                return write(*args, **kwargs)

        return guarded

    for name in ("put_object", "delete_object", "_bucket_response_delete_keys"):
        setattr(S3Response, name, alone(getattr(S3Response, name)))
    S3Backend.list_objects = alone(S3Backend.list_objects)


def main() -> None:
    kind, port = sys.argv[1], sys.argv[2]
    if os.environ.pop("OQ_SERVE_UNTIL_EOF", None):
        threading.Thread(target=until_eof, daemon=True).start()
    loopback_only()
    if kind == "moto":
        one_write_at_a_time()
        sys.argv = ["moto_server", "-H", "127.0.0.1", "-p", port]
        runpy.run_module("moto.server", run_name="__main__")
    else:
        sys.argv = ["localstack"]
        runpy.run_module("localstack.runtime.main", run_name="__main__")


main()
