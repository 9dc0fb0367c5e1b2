#!/usr/bin/env python3
"""Runs the standard steps against mock servers that nobody here wrote: see README.md."""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

# No compiled files in the repository.
sys.dont_write_bytecode = True

import cases  # noqa: E402
import mocks  # noqa: E402

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
KEY = "a-key-for-the-mocks"
# Breakers are off: cases that fail one after another would open the one of their mock.
CONFIG = '[network]\nallow_networks = ["127.0.0.0/8"]\n\n[breaker]\nenabled = false\n'


class Processes:
    """What was started, so that it is ended, and nothing else."""

    def __init__(self, logs: Path):
        self.logs, self.running = logs, {}

    def start(self, name, command, env=None, cwd=None):
        environment = {**os.environ, **(env or {})}
        with open(self.logs / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                [str(part) for part in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=environment, cwd=cwd or self.logs, start_new_session=True,
            )
        return self.running[name]

    def wait_for_port(self, name, port, seconds=90):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.running[name].poll() is not None:
                break
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        log = (self.logs / f"{name}.log").read_text(errors="replace")
        raise RuntimeError(f"{name} does not listen on port {port}:\n{log[-2000:]}")

    def stop(self, name):
        process = self.running.pop(name)
        # A group of its own: some of them are a script that starts the server.
        for wanted in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, wanted)
                process.wait(10)
                return
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def stop_all(self):
        for name in list(self.running):
            self.stop(name)


class Stepwell:
    """A server of its own data folder, and the few calls of its API that the cases need."""

    def __init__(self, processes, binary, folder, name="stepwell", config=CONFIG, env=None):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stepwell.toml").write_text(config)
        self.processes, self.name, self.applied, self.data = processes, name, 0, folder / "data"
        log = processes.logs / f"{name}.log"
        begun = log.stat().st_size if log.exists() else 0
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", folder / "data",
                   "--config", folder / "stepwell.toml"]
        process = processes.start(name, command, {"STEPWELL_ADMIN_KEY": KEY, **(env or {})})
        end = time.monotonic() + 60
        while True:
            told = log.read_bytes()[begun:].decode(errors="replace")
            if found := re.search(r'\{"listening":"([^"]+)"', told):
                self.url = found[1]
                return
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start:\n{told[-2000:]}")
            time.sleep(0.05)

    def call(self, method, path, body=None, kind="application/json", headers=None):
        """The status, the headers, and the body: JSON where it is some."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": kind, **(headers or {})}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                status, headers, told = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, headers, told = error.code, error.headers, error.read()
        if "json" in (headers.get("Content-Type") or ""):
            told = json.loads(told)
        return status, headers, told

    def must(self, method, path, body=None, **more):
        status, _, told = self.call(method, path, body, **more)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path} answered {status}: {told}")
        return told

    def publish(self, components):
        for step in cases.STEPS:
            path = components / f"{step}.wasm"
            if not path.exists():
                raise RuntimeError(f"{path} is not there: build it with `stepwell step build steps/{step}`, or name"
                                   " another folder with --components")
            self.must("POST", "/v1/steps", path.read_bytes(), kind="application/wasm")

    def upload(self, data, kind, name):
        return self.must("POST", f"/v1/blobs?name={name}", data, kind=kind)

    def run(self, case, authority, base, given):
        """One run of a workflow of one node: what the API tells of it."""
        self.applied += 1
        name = f"case-{self.applied}"
        config = {**case.config, **({case.address: base} if case.address else {})}
        grants = {"http": [{"host": authority, "methods": case.methods}]}
        if case.secrets:
            grants["secrets"] = {secret: [authority] for secret in case.secrets}
        node = {"step": f"{case.step}@^1", "config": config, "input": given, "grants": grants,
                "timeout": case.timeout, **case.node}
        self.must("PUT", f"/v1/workflows/{name}", {"name": name, "version": "1.0.0", "nodes": {"try": node}})
        started = self.must("POST", f"/v1/workflows/{name}/runs", {"input": {}}, headers={"Prefer": "wait=60"})
        return self.must("GET", f"/v1/runs/{started['run_id']}")

    def stop(self):
        self.processes.stop(self.name)


def differences(expected, got, place=""):
    """Where what came is not as expected. Of an object only the fields that are expected count; a pattern is searched for; a function
    tells whether it is content."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for name, value in expected.items():
            if value is not cases.ABSENT and name not in got:
                yield f"{place}/{name} is missing"
            elif value is cases.ABSENT and name in got:
                yield f"{place}/{name} is there: {got[name]!r}"
            elif name in got:
                yield from differences(value, got[name], f"{place}/{name}")
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            yield f"{place} has {len(got)} items instead of {len(expected)}: {got!r}"
        for index, (one, other) in enumerate(zip(expected, got)):
            yield from differences(one, other, f"{place}/{index}")
    elif isinstance(expected, re.Pattern):
        if not isinstance(got, str) or not expected.search(got):
            yield f"{place} is {got!r}, which does not match {expected.pattern!r}"
    elif callable(expected):
        try:
            right = expected(got)
        except (TypeError, KeyError, IndexError, AttributeError):
            right = False
        if not right:
            yield f"{place} is {got!r}"
    elif expected != got:
        yield f"{place} is {got!r} instead of {expected!r}"


def filled(value, blobs, url):
    """An input with references in place of the names of blobs, and addresses in place of the mock's paths."""
    if isinstance(value, cases.Blob):
        return blobs[value.name]
    if isinstance(value, cases.At):
        return url + value.path
    if isinstance(value, dict):
        return {name: filled(one, blobs, url) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, blobs, url) for one in value]
    return value


def told(run):
    """Of a run, what cases expect something of."""
    node = run["nodes"][0]
    attempts = node.get("attempts") or [{}]
    failure = node.get("failure")
    detail = (failure or {}).get("detail")
    return {
        "output": node.get("output"),
        "failure": failure,
        "refused": detail.get("status") if isinstance(detail, dict) else None,
        "attempts": len(attempts),
        "usage": [call for attempt in attempts for call in attempt.get("usage") or []],
    }


def tried(stepwell, case, blobs, mock):
    """What is wrong, a line each."""
    for method, path, body in case.before:
        mock.control(method, path, body)
    began = time.monotonic()
    run = stepwell.run(case, mock.authority, mock.url + case.base, filled(case.input, blobs, mock.url))
    got = {**told(run), "seconds": time.monotonic() - began}
    problems = list(differences(case.expected, got))
    if "failure" not in case.expected and got["failure"]:
        problems.append(f"it failed: {json.dumps(got['failure'])}")
    if case.after:
        path, expected = case.after
        problems += differences(expected, mock.control("GET", path, None), path)
    if problems and "output" in case.expected:
        problems.append(f"the output was {json.dumps(got['output'])[:600]}")
    if case.kept and not problems:
        digest = case.kept(got["output"])["$blob"]
        data = stepwell.call("GET", f"/v1/blobs/{digest}")[2]
        if data != case.bytes:
            problems.append(f"the blob holds {data[:40]!r}...")
    return problems


def install(cache):
    """The packages, outside the repository. What is there already is left alone."""
    wanted = (HERE / "requirements.txt").read_text() + (HERE / "package.json").read_text()
    mark = cache / "installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    print(f"installing the mocks into {cache}", flush=True)
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", cache / "venv"], check=True)
    pip = [cache / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", HERE / "requirements.txt"], check=True)
    shutil.copy(HERE / "package.json", cache)
    npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--no-package-lock"]
    subprocess.run(npm, cwd=cache, check=True)
    mark.write_text(wanted)


def arguments():
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stepwell", default=target / "release/stepwell", type=Path, help="the binary")
    parser.add_argument("--components", default=target / "guests/components", type=Path,
                        help="the folder of the standard steps' components")
    parser.add_argument("--cache", default=Path(tempfile.gettempdir()) / "stepwell-mocks", type=Path,
                        help="where the mocks are installed, outside the repository")
    parser.add_argument("-k", dest="only", default="", help="a pattern: the cases to run, by `mock: name`")
    return parser.parse_args()


def main():
    options = arguments()
    chosen = re.compile(options.only)
    wanted = [case for case in cases.CASES if chosen.search(f"{case.mock}: {case.name}")]
    stores = [store for store in mocks.STORES if chosen.search(f"{store.name}: blobs")]
    install(options.cache)
    failed = 0
    # Whoever ends this ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def line(name, problems):
        nonlocal failed
        failed += bool(problems)
        print("\n      ".join([f"{'FAIL' if problems else 'ok  '}  {name}", *problems]), flush=True)

    with tempfile.TemporaryDirectory(prefix="stepwell-mocks-") as folder:
        folder = Path(folder)
        processes = Processes(folder)
        try:
            servers = mocks.start(processes, options.cache, {case.mock for case in wanted})
            if wanted:
                stepwell = Stepwell(processes, options.stepwell, folder / "server")
                stepwell.publish(options.components)
                for secret in {secret for case in cases.CASES for secret in case.secrets}:
                    value = "wrong" if "WRONG" in secret else mocks.API_KEY
                    stepwell.must("PUT", f"/v1/secrets/{secret}", {"value": value})
                blobs = {name: stepwell.upload(*file) for name, file in cases.BLOBS.items()}
            for case in wanted:
                try:
                    problems = tried(stepwell, case, blobs, servers[case.mock])
                except (RuntimeError, OSError) as error:
                    problems = [str(error)]
                line(f"{case.mock}: {case.name}", problems)
            for store in stores:
                env = store.start(processes, options.cache)
                problems = mocks.try_store(store, env, lambda number, config: Stepwell(
                    processes, options.stepwell, folder / store.name, f"stepwell-{store.name}-{number}", config, env))
                line(f"{store.name}: blobs", problems)
        finally:
            processes.stop_all()
    print(f"{len(wanted) + len(stores) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
