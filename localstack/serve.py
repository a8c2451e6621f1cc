"""Run one S3 server in this process: ``serve.py localstack|moto PORT``.

With OQ_SERVE_UNTIL_EOF set, the server ends when its standard input does. Whoever starts it
holds the other end of a pipe, so however the starter dies, no server is left behind.
"""

import os
import runpy
import sys
import threading


def until_eof() -> None:
    while os.read(0, 4096):
        pass
    # Servers have threads that do not end when asked; there is nothing here worth keeping.
    os._exit(0)


def main() -> None:
    kind, port = sys.argv[1], sys.argv[2]
    if os.environ.pop("OQ_SERVE_UNTIL_EOF", None):
        threading.Thread(target=until_eof, daemon=True).start()
    if kind == "moto":
        sys.argv = ["moto_server", "-H", "127.0.0.1", "-p", port]
        runpy.run_module("moto.server", run_name="__main__")
    else:
        sys.argv = ["localstack"]
        runpy.run_module("localstack.runtime.main", run_name="__main__")


main()
