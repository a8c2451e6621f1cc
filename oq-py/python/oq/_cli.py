"""``oq``: the command line, and ``oq worker module:app`` and ``oq dev module:app`` on top of it."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from . import _oq

if TYPE_CHECKING:
    from ._app import App

_APP = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")
"""``module:app``."""

_FLAGS = ("--watch",)
"""The options before an app that take no value."""


def main() -> NoReturn:
    words = sys.argv[1:]
    if words[:1] == ["worker"] and (_names_app(words) or {"--help", "-h"} & set(words)):
        sys.exit(_worker(words[1:]))
    if words[:1] == ["dev"] and _names_app(words):
        from ._dev import dev

        sys.exit(dev(words[1:]))
    # Rust knows nothing of Python's handler, which only takes a note.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_oq.command(["oq", *words]))


def _names_app(words: Sequence[str]) -> bool:
    """Whether a word is an app, and not the value of an option, which may be ``sqlite:file``."""
    for before, word in zip(words, words[1:], strict=False):
        if _APP.fullmatch(word) and not _wants_value(before):
            return True
    return False


def _wants_value(word: str) -> bool:
    """Whether the next word is this option's value; ``--url=x`` and ``-c8`` have theirs."""
    if word.startswith("--"):
        return "=" not in word and word not in _FLAGS
    return word.startswith("-") and len(word) == 2


def options(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"oq {command}", description=_worker.__doc__)
    parser.add_argument("app", metavar="MODULE:APP", help="where the app is")
    parser.add_argument("--queues", "-q", help='such as "mail:3,default:1"; all that tasks name')
    parser.add_argument("--concurrency", "-c", type=int, default=32, help="tasks at once (32)")
    parser.add_argument("--grace", default="30s", help="how long tasks may go on at the end (%(default)s)")
    parser.add_argument("--url", help="the store, instead of the app's own")
    return parser


def _worker(words: Sequence[str]) -> int:
    """Run an app's tasks until SIGTERM or Ctrl-C."""
    said = options("worker").parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    app = find(said.app)
    if app is None:
        return _oq.exit_code(_oq.Invalid.code)
    if said.url:
        app._url = said.url
    log = logging.getLogger("oq")
    try:
        log.info("%s works on %s", said.app, ", ".join(sorted(app.tasks)) or "nothing")
        app.run(said.queues, concurrency=said.concurrency, grace=said.grace)
    except _oq.OqError as e:
        return told(e.code, str(e))
    log.info("stopped")
    return 0


def told(code: str, why: str) -> int:
    """Says what is wrong as the whole command does; the exit code."""
    print(f"oq: {code}: {why}", file=sys.stderr)
    return _oq.exit_code(code)


def find(where: str) -> App | None:
    """The app at ``module:name``; says what is wrong if there is none."""
    from ._app import App

    module, _, name = where.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as e:
        # The module or a package that it is in; anything else is what the app itself imports.
        if e.name is None or not f"{module}.".startswith(f"{e.name}."):
            raise
        told(_oq.Invalid.code, f"there is no module {module} here")
        return None
    app = getattr(found, name, None)
    if not isinstance(app, App):
        apps = [key for key, value in vars(found).items() if isinstance(value, App)]
        hint = f"; there is {module}:{apps[0]}" if apps else ""
        told(_oq.Invalid.code, f"{where} is no oq.App{hint}")
        return None
    return app


if __name__ == "__main__":
    main()
