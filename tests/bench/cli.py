#!/usr/bin/env python3
"""How long the command line takes: `oq --help`, a lone `oq submit` on a file and on `oq dev`, `oq demo`.

    cargo build --release -p oq-cli
    tests/bench/cli.py target/release/oq [ROUNDS]

Each is run ROUNDS times (30 unless given; the demonstration three times), one after the other; the
median and the slowest are printed. The bounds are 20 ms for help, 50 ms for a submission and 30 s for
the demonstration, by the median: the script ends with 1 when one is missed.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def measured(name, bound_ms, command, rounds, **options):
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
        took.append((time.perf_counter() - began) * 1000)
    median = statistics.median(took)
    line = f"{name:28} median {median:7.1f} ms   slowest {max(took):7.1f} ms"
    if bound_ms is None:
        print(line)
        return True
    held = "holds" if median <= bound_ms else "MISSED"
    print(f"{line}   bound {bound_ms} ms: {held}", flush=True)
    return median <= bound_ms


def served(oq, folder, env):
    """Starts `oq dev`; the process, and the environment for what it says when it is ready."""
    dev = subprocess.Popen(
        [oq, "dev", "--listen", "127.0.0.1:0", "--until-eof", "-o", "jsonl"],
        cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    line = dev.stdout.readline()
    if not line:
        raise SystemExit("oq dev ended before it was ready")
    ready = json.loads(line)
    return dev, dict(
        env,
        OQ_URL=ready["url"],
        AWS_ENDPOINT_URL=ready["endpoint"],
        AWS_ACCESS_KEY_ID=ready["access_key_id"],
        AWS_SECRET_ACCESS_KEY=ready["secret_access_key"],
        AWS_REGION=ready["region"],
    )


def main():
    oq = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    with tempfile.TemporaryDirectory() as folder:
        on_file = dict(env, OQ_URL="sqlite:oq.db")
        submit = [oq, "submit", "echo", "1"]
        good = measured("oq --help", 20, [oq, "--help"], rounds, env=env)
        good &= measured("oq submit, sqlite", 50, submit, rounds, env=on_file, cwd=folder)
        dev, at_dev = served(oq, folder, env)
        try:
            good &= measured("oq submit, oq dev", 50, submit, rounds, env=at_dev, cwd=folder)
            wait = [oq, "submit", "echo", "1", "--wait"]
            measured("oq submit --wait, oq dev", None, wait, rounds, env=at_dev, cwd=folder)
        finally:
            dev.stdin.close()
            dev.wait()
        quiet = dict(env=env, cwd=folder, stderr=subprocess.DEVNULL)
        good &= measured("oq demo", 30_000, [oq, "demo"], min(rounds, 3), **quiet)
    sys.exit(not good)


if __name__ == "__main__":
    main()
