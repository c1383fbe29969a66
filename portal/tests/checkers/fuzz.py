"""Runs schemathesis against the portal at an address, with a token or without one.

Also the hooks of that run, which do what a client does and a schema cannot say: an Idempotency-Key is
new for each command, and a position is one that a command has answered.
"""

import itertools
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__)


def main(url, *more):
    schemathesis = pathlib.Path(sys.executable).with_name("schemathesis")
    command = [schemathesis, "--config-file", HERE.with_name("schemathesis.toml"), "run"]
    command += [f"{url}/openapi.json", "--checks", "all", "--no-color", *more]
    token = sys.stdin.read().strip()
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    # It imports this file by its name.
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": HERE.stem, "PYTHONPATH": str(HERE.parent)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    # What it would remember for the next time is forgotten.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, env=environment, cwd=folder).returncode


def hooks():
    import schemathesis

    numbers = itertools.count(1)
    known = {"position": 0}

    @schemathesis.hook
    def filter_case(context, case):
        # Headers that nobody has told of are to be ignored: HTTP lives by it.
        return "x-schemathesis-unknown-property" not in (case.headers or {})

    def is_without_token(case):
        data = case.meta.phase.data if case.meta else None
        missing = "missing" in str(getattr(data, "scenario", "")).lower()
        return missing and (getattr(data, "parameter", None) or "").lower() == "authorization"

    @schemathesis.hook
    def before_call(context, case, kwargs):
        headers = case.headers or {}
        if is_without_token(case):
            # The token of this run is put into every request, also into the one that tests this.
            for some in (headers, kwargs.get("headers") or {}):
                some.pop("Authorization", None)
        key = headers.get("Idempotency-Key")
        if key and key.isascii() and key.isprintable():
            headers["Idempotency-Key"] = f"key-{next(numbers)}"
        position = headers.get("Portal-Min-Position")
        if position is not None and str(position).isdecimal():
            headers["Portal-Min-Position"] = str(min(int(position), known["position"]))

    @schemathesis.hook
    def after_call(context, case, response):
        for position in response.headers.get("portal-position", []):
            known["position"] = max(known["position"], int(position))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
hooks()
