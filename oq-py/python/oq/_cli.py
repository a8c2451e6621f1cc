"""``oq``: the command line, and ``oq worker module:app`` and ``oq dev module:app`` on top of it."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from . import _oq
from ._options import CONCURRENCY, to_seconds

if TYPE_CHECKING:
    from ._app import App

_APP = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")
"""``module:app``."""

_MODULE = re.compile(r"[^\W\d][\w.]*")

_FLAGS = ("--watch", "--drain", "--quiet", "--verbose", "--cost", "--help", "--version", "-v", "-h")
"""The options before an app or a command that take no value."""

_WITHOUT_APP = {"worker": ("list", "help"), "dev": ("help",)}
"""The words after a command that are its own, and no module."""

_RUNS = {
    "worker": "Run an app's tasks until SIGTERM or Ctrl-C.",
    "dev": "Serve a store of this machine as S3, and run an app's tasks beside it.",
}


def main() -> NoReturn:
    words = _command_first(sys.argv[1:])
    command, rest = (words[0] if words else ""), words[1:]
    if command in _RUNS:
        plain = [rest[n] for n in _plain(rest)]
        named = [word for word in plain if _APP.fullmatch(word)]
        if named:
            sys.exit(_worker(rest) if command == "worker" else _dev(rest))
        if plain and "--task" not in rest and plain[0] not in _WITHOUT_APP[command]:
            sys.exit(_no_app(command, plain[0]))
        if not plain and {"--help", "-h"} & set(rest):
            options(command).print_help()
            print(f"\nThe other form of oq {command}, without an app:\n", flush=True)
    # Rust knows nothing of Python's handler, which only takes a note.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_oq.command(["oq", *sys.argv[1:]]))


def _command_first(words: Sequence[str]) -> list[str]:
    """The command, and then the options of every command that may stand before it."""
    at = next(iter(_plain(words)), None)
    return [*words] if at is None else [words[at], *words[:at], *words[at + 1 :]]


def _plain(words: Sequence[str]) -> list[int]:
    """Where words stand that are no options, nor the value of one, which may be ``sqlite:file``."""
    found, value = [], False
    for place, word in enumerate(words):
        if not value and not word.startswith("-"):
            found.append(place)
        # An option is no other's value, although one that is not known here may take none.
        value = _wants_value(word)
    return found


def _wants_value(word: str) -> bool:
    """Whether the next word is this option's value; ``--url=x`` and ``-c8`` have theirs."""
    if word.startswith("--"):
        return "=" not in word and word not in _FLAGS
    return word.startswith("-") and len(word) == 2 and word not in _FLAGS


def _no_app(command: str, word: str) -> int:
    """Says how an app is named; the exit code."""
    sys.path.insert(0, os.getcwd())
    hint = f"write oq {command} MODULE:APP, such as oq {command} jobs:app"
    if word.endswith(".py"):
        hint = f"write the module without .py: oq {command} {word[:-3].replace('/', '.')}:app"
    elif _MODULE.fullmatch(word):
        with contextlib.suppress(ImportError, ValueError):
            if importlib.util.find_spec(word) is not None:
                apps = _apps(importlib.import_module(word)) or ["app"]
                hint = f"{word} is a module: write oq {command} {word}:{apps[0]}"
    return told(_oq.Invalid.code, f"{word} names no app: {hint}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """As the whole command says it."""
        print(f"oq: {_oq.Invalid.code}: {message}\nnext: {self.prog} --help", file=sys.stderr)
        sys.exit(_oq.exit_code(_oq.Invalid.code))


class _NotForApps(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(f"{self.option_strings[0]} is not for apps: oq bench says what tasks cost")


def options(command: str) -> argparse.ArgumentParser:
    """What may be said with an app."""
    parser = _Parser(prog=f"oq {command}", description=_RUNS[command], allow_abbrev=False)
    add = parser.add_argument
    add("app", metavar="MODULE:APP", help="where the app is")
    names = 'such as "mail:3,default:1"; all that tasks name'
    add("--queues", "--queue", "-q", metavar="QUEUES", help=names)
    at_once = f"tasks at once ({CONCURRENCY})"
    add("--concurrency", "-c", metavar="TASKS", type=int, default=CONCURRENCY, help=at_once)
    grace = "3s" if command == "dev" else "30s"
    ends = f"how long tasks may go on at the end ({grace})"
    add("--grace", metavar="TIME", default=grace, help=ends)
    add("--url", metavar="URL", help="the store, instead of the app's own")
    add("--profile", metavar="NAME", help="the profile of the configuration files whose store it is")
    add("--log-level", choices=_LEVELS, help="what is told on stderr, from this on (info)")
    add("--quiet", action="store_true", help="the same as --log-level error")
    add("--verbose", "-v", action="store_true", help="the same as --log-level debug")
    if command == "worker":
        drains = "end when nothing is due any more, and print what was done"
        add("--drain", action="store_true", help=drains)
        least = f"with --drain: end within this time, {_oq.LEAST_DRAIN:.0f}s or more"
        add("--within", metavar="TIME", help=least)
        add("--output", "-o", choices=("table", "json", "jsonl"), help="how --drain prints (jsonl)")
    else:
        add("--watch", action="store_true", help="start again when the code changes")
        where = "127.0.0.1:7070"
        serves = f"where the store is served ({where})"
        add("--listen", metavar="ADDRESS:PORT", default=where, help=serves)
    add("--color", metavar="WHEN", help="taken as by every command; there is nothing to colour")
    add("--cost", action=_NotForApps, nargs=0, help=argparse.SUPPRESS)
    return parser


_LEVELS = ("debug", "info", "warning", "error")

_INTERRUPTED = 128 + signal.SIGINT
"""The exit code of what was told to end and could not, as a shell has it."""


def level(said: argparse.Namespace) -> str:
    """From which level on the log is told."""
    if said.log_level:
        return str(said.log_level)
    return "error" if said.quiet else "debug" if said.verbose else "info"


def _dev(words: Sequence[str]) -> int:
    from ._dev import dev

    return dev(words)


def _worker(words: Sequence[str]) -> int:
    said = options("worker").parse_args(words)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log = logging.getLogger("oq")
    log.setLevel(level(said).upper())
    url = said.url or (of_profile(said.profile) if said.profile else None)
    app = find(said.app)
    if app is None:
        return _oq.exit_code(_oq.Invalid.code)
    if url:
        app._url = url
    try:
        if said.drain:
            return _drain(app, said)
        for name in ("within", "output"):
            if getattr(said, name):
                raise _oq.Invalid(f"--{name} is for --drain")
        log.info("%s works on %s", said.app, ", ".join(sorted(app.tasks)) or "nothing")
        if not _run(app, said):
            told("OQ-INTERRUPTED", "it was told to end a second time: what ran was left")
            return _INTERRUPTED
    except _oq.OqError as e:
        return told(e.code, str(e))
    log.info("stopped")
    return 0


def _run(app: App, said: argparse.Namespace) -> bool:
    """Works until SIGTERM or Ctrl-C; whether it came to its end before a second one."""
    from ._worker import run, serve, to_its_end

    grace = to_seconds(said.grace, "grace")
    options = app._worker_options(said.queues, concurrency=said.concurrency, grace=grace)
    ended = run(serve(app, options, lambda worker: to_its_end(worker, worker.run())))
    return ended is not None


def _drain(app: App, said: argparse.Namespace) -> int:
    """Runs what is due and prints what was done; SIGTERM and Ctrl-C end it early, twice at once."""
    from ._worker import run, to_its_end

    async def drain() -> tuple[str, str | None]:
        done, _ = await app._drain(
            to_its_end,
            said.queues,
            concurrency=said.concurrency,
            within=said.within,
            grace=said.grace,
        )
        return done

    ended = run(drain())
    if ended is None:
        told("OQ-INTERRUPTED", "it was told to end before it could say what it did; what ran was left")
        return _INTERRUPTED
    text, code = ended
    done = json.loads(text)
    if said.output == "table":
        for name, value in done.items():
            print(f"{name:<16}{value}")
    else:
        print(json.dumps(done, indent=2 if said.output == "json" else None))
    return 0 if code is None else told(code, done["error"])


def of_profile(name: str) -> str:
    """The store that a profile names; where it names none, that of the environment."""
    command = [sys.executable, "-m", "oq._cli", "config", "show", "-o", "json", "--profile", name]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if shown.returncode != 0:
        sys.exit(shown.returncode)
    url = {field["name"]: field["value"] for field in json.loads(shown.stdout)}.get("url")
    if not url:
        sys.exit(told(_oq.Invalid.code, f"the profile {name} names no url, and OQ_URL is not set"))
    return str(url)


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
        apps = _apps(found)
        hint = f"; there is {module}:{apps[0]}" if apps else ""
        told(_oq.Invalid.code, f"{where} is no oq.App{hint}")
        return None
    return app


def _apps(module: object) -> list[str]:
    """The names of its apps."""
    from ._app import App

    return [name for name, value in vars(module).items() if isinstance(value, App)]


if __name__ == "__main__":
    main()
