"""Host headers: a page of elsewhere that has its name point at this machine is told from those that know it."""

import socket
from collections.abc import Iterator

import pytest
from serving import Server, SlowScorer, serving

from yesrank.serve.http.hosts import Hosts, name_of
from yesrank.serve.settings import Settings

OWN = (
    "localhost",
    "LOCALHOST:8000",
    "127.0.0.1:1",
    "127.8.9.1",
    "[::1]",
    "[::1]:8000",
    "localhost.",
    "a.localhost",
)
FOREIGN = (
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example:8000",
    "rank.local.evil.example",
    "xlocalhost.example",
)  # fmt: skip
OF_NETWORKS = (
    "rerank",
    "my_service:8000",
    "192.168.1.4:8000",
    "[fe80::1]",
    "8.8.8.8",
    "box.local",
    "rerank.ns.svc",
)
BAD = (
    "[",
    "[::1",
    "::1",
    "a b",
    "localhost:x",
    "user@localhost",
    "localhost/x",
    "a,b",
    "[]",
    "[evil.example]",
    ":80",
)


@pytest.mark.parametrize("host", OWN)
def test_names_of_this_machine(host: str) -> None:
    for on_loopback in (True, False):
        assert allows(host, on_loopback=on_loopback)


@pytest.mark.parametrize("host", FOREIGN)
def test_names_that_anyone_may_have(host: str) -> None:
    for on_loopback in (True, False):
        assert not allows(host, on_loopback=on_loopback)
        assert allows(host, keys=True, on_loopback=on_loopback)
        assert allows(host, allowed=("*",), on_loopback=on_loopback)


@pytest.mark.parametrize("host", OF_NETWORKS)
def test_names_of_networks_only_where_they_lead_here(host: str) -> None:
    assert not allows(host)
    assert allows(host, on_loopback=False)


def test_a_list_of_names() -> None:
    listed = ("Rank.Example", "*.inner.example")
    for host in ("rank.example:443", "RANK.example.", "a.inner.example", "a.b.inner.example"):
        assert allows(host, allowed=listed)
        assert allows(host, allowed=listed, keys=True)
    for host in ("inner.example", "xrank.example", "rank.example.evil.example", "evilinner.example"):
        assert not allows(host, allowed=listed)
        assert not allows(host, allowed=listed, keys=True)
    assert allows("localhost", allowed=listed, keys=True)


def test_the_name_that_it_listens_on() -> None:
    assert Hosts("Box.example", (), on_loopback=False, keys=False).allow("box.example")


@pytest.mark.parametrize("host", BAD)
def test_what_is_no_name(host: str) -> None:
    assert name_of(host) is None


def allows(host: str, allowed: tuple[str, ...] = (), *, on_loopback: bool = True, keys: bool = False) -> bool:
    """Whether a server on 127.0.0.1 or 0.0.0.0 answers to it."""
    name = name_of(host)
    assert name is not None
    bound = "127.0.0.1" if on_loopback else "0.0.0.0"
    return Hosts(bound, allowed, on_loopback=on_loopback, keys=keys).allow(name)


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    with serving(scorer=SlowScorer()) as found:
        found.wait_ready()
        yield found


def status(server: Server, path: str, *lines: str, verb: str = "GET", version: str = "1.1") -> int:
    """Of the answer to a request with these lines in its head."""
    host, port = server.url.removeprefix("http://").split(":")
    head = "\r\n".join([f"{verb} {path} HTTP/{version}", *lines, "Connection: close", "", ""])
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(head.encode("latin-1"))
        return int(client.recv(65536).split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        ("/", "GET"),
        ("/health", "GET"),
        ("/ready", "GET"),
        ("/v1/models", "GET"),
        ("/metrics", "GET"),
        ("/nothing", "GET"),
        ("/v1/rerank", "POST"),
        ("/v1/models/builtin/unload", "POST"),
        ("/v1/models/builtin/load", "POST"),
    ],
)
def test_nothing_is_done_for_a_page_of_elsewhere(plain: Server, path: str, verb: str) -> None:
    for host in ("evil.example", "evil.example:8000"):
        assert status(plain, path, f"Host: {host}", verb=verb) == 403
        assert status(plain, path, f"Host: {host}", f"Origin: http://{host}", verb=verb) == 403
    assert plain.app.state.service.pool.states()[0].state == "ready"


def test_the_refusal_names_the_setting(plain: Server) -> None:
    answer = plain.client.get("/v1/models", headers={"Host": "rank.example"})
    assert answer.status_code == 403
    assert "--allowed-host" in answer.json()["message"]
    assert "YESRANK_SERVE_ALLOWED_HOSTS" in answer.json()["message"]
    assert "rank.example" not in plain.log + answer.text


@pytest.mark.parametrize("host", OWN)
def test_its_own_names_are_answered(plain: Server, host: str) -> None:
    assert status(plain, "/v1/models", f"Host: {host}") == 200


@pytest.mark.parametrize("host", BAD)
def test_a_host_that_is_none_is_a_mistake_of_the_client(plain: Server, host: str) -> None:
    for path, verb in (("/v1/models", "GET"), ("/v1/embeddings", "POST"), ("/v1/models/x/", "GET")):
        assert status(plain, path, f"Host: {host}", verb=verb) == 400
    with serving(Settings(api_keys=("a-key-of-mine",)), scorer=SlowScorer()) as keyed:
        for path in ("/v1/embeddings", "/docs", "/openapi.json", "/models/builtin/resolve/main"):
            assert status(keyed, path, f"Host: {host}", "x-api-key: a-key-of-mine") == 400


def test_clients_of_old_need_none(plain: Server) -> None:
    assert status(plain, "/v1/models", version="1.0") == 200
    assert status(plain, "/v1/models", "Host:") == 200


def test_a_server_with_keys_or_a_list() -> None:
    key = "x-api-key: a-key-of-mine"
    with serving(Settings(api_keys=("a-key-of-mine",)), scorer=SlowScorer()) as keyed:
        assert status(keyed, "/v1/models", "Host: rank.example", key) == 200
        assert status(keyed, "/v1/models", "Host: rank.example") == 401
    with serving(Settings(allowed_hosts=("rank.example",)), scorer=SlowScorer()) as listed:
        assert status(listed, "/v1/models", "Host: rank.example") == 200
        assert status(listed, "/v1/models", "Host: evil.example") == 403


def test_the_setting_from_the_environment() -> None:
    found = Settings.resolve({}, {"YESRANK_SERVE_ALLOWED_HOSTS": "rank.example, *.inner.example"})
    assert found.allowed_hosts == ("rank.example", "*.inner.example")
