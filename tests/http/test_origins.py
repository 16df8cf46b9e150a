"""What a page of elsewhere can send without being asked is refused; what programs and our own page send is not."""

from collections.abc import Iterator

import httpx
import pytest
from serving import Server, SlowScorer, serving

from yesrank.serve.settings import Settings

BODY = '{"query": "q", "documents": ["a", "bc"]}'
ELSEWHERE = "https://evil.example"
PATHS = (
    "/v1/rerank",
    "/rerank",
    "/score",
    "/v1/score",
    "/v1/ranking",
    "/v1/embeddings",
    "/tei/rerank",
    "/v1/models/builtin/load",
    "/v1/models/builtin/unload",
)
UNASKED = (
    {},
    {"Content-Type": "text/plain"},
    {"Content-Type": "TEXT/plain; charset=utf-8"},
    {"Content-Type": "text/plain; application/json"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "multipart/form-data; boundary=application/json"},
    {"Content-Type": "application/jsonx"},
    {"Content-Type": ""},
)


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    with serving(scorer=SlowScorer()) as found:
        found.wait_ready()
        yield found


def post(server: Server, path: str, *headers: tuple[str, str], content: str = BODY) -> httpx.Response:
    return server.client.post(path, content=content, headers=list(headers))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", UNASKED, ids=str)
def test_a_page_of_elsewhere_sets_nothing_off(plain: Server, path: str, kind: dict[str, str]) -> None:
    for origin in (ELSEWHERE, "null", "http://localhost:1", "http://[", "", "http://127.0.0.1"):
        answer = post(plain, path, *kind.items(), ("Origin", origin))
        assert answer.status_code == 403, origin
        assert "--cors-origin" in answer.json()["message"]
    for site in ("cross-site", "same-site"):
        assert post(plain, path, *kind.items(), ("Sec-Fetch-Site", site)).status_code == 403
    both = (("Origin", plain.url), ("Origin", ELSEWHERE))
    assert post(plain, path, *kind.items(), *both).status_code == 403


def test_nothing_was_done(plain: Server) -> None:
    before = plain.metric("yesrank_documents_total")
    post(plain, "/v1/rerank", ("Origin", ELSEWHERE))
    post(plain, "/v1/models/builtin/unload", ("Origin", ELSEWHERE), ("Content-Type", "application/json"))
    assert plain.metric("yesrank_documents_total") == before
    assert plain.app.state.service.pool.states()[0].state == "ready"


@pytest.mark.parametrize("kind", UNASKED, ids=str)
def test_programs_say_no_origin_and_any_type(plain: Server, kind: dict[str, str]) -> None:
    if "multipart" in kind.get("Content-Type", ""):  # a form: what is none is refused, whoever sends it
        assert post(plain, "/v1/rerank", *kind.items()).status_code == 400
        return
    assert post(plain, "/v1/rerank", *kind.items()).status_code == 200
    assert post(plain, "/v1/rerank", *kind.items(), ("Sec-Fetch-Site", "none")).status_code == 200


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON;charset=utf-8", "application/vnd.api+json"]
)
def test_what_a_browser_asks_about_first(plain: Server, kind: str) -> None:
    """Its question is answered without permission; so what comes is from a program, such as a desktop's web view."""
    asked = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
    permission = plain.client.options("/v1/rerank", headers=asked)
    assert "access-control-allow-origin" not in permission.headers
    for origin in ("vscode-webview://abc", "chrome-extension://abc", ELSEWHERE):
        assert post(plain, "/v1/rerank", ("Content-Type", kind), ("Origin", origin)).status_code == 200
        changing = post(plain, "/v1/models/builtin/load", ("Content-Type", kind), ("Origin", origin))
        assert changing.status_code == 403


def test_our_own_page(plain: Server) -> None:
    port = plain.url.rpartition(":")[2]
    own = [
        (("Origin", plain.url),),
        (("Origin", f"http://localhost:{port}"), ("Host", f"LOCALHOST:{port}")),
        (("Origin", "http://localhost"), ("Host", "localhost:80")),
        # behind a proxy
        (("Origin", "https://rank.example"), ("X-Forwarded-Host", "rank.example")),
        (("Origin", "https://rank.example:8443"), ("Sec-Fetch-Site", "same-origin")),
    ]
    for headers in own:
        for path in ("/v1/rerank", "/v1/models/builtin/load"):
            assert post(plain, path, *headers).status_code == 200, headers


def test_questions_may_come_from_anywhere(plain: Server) -> None:
    for path in ("/health", "/v1/models", "/"):
        headers = {"Origin": ELSEWHERE, "Sec-Fetch-Site": "cross-site"}
        assert plain.client.get(path, headers=headers).status_code == 200


def test_the_settings_are_honoured() -> None:
    with serving(Settings(cors_origins=(ELSEWHERE,)), scorer=SlowScorer()) as server:
        for path in ("/v1/rerank", "/v1/models/builtin/load"):
            allowed = post(server, path, ("Origin", ELSEWHERE), ("Sec-Fetch-Site", "cross-site"))
            assert allowed.status_code == 200
            assert allowed.headers["access-control-allow-origin"] == ELSEWHERE
            assert post(server, path, ("Origin", "https://other.example")).status_code == 403
    with serving(Settings(cors_origins=("*",)), scorer=SlowScorer()) as server:
        assert post(server, "/v1/rerank", ("Origin", "null")).status_code == 200
    with serving(Settings(allowed_hosts=("rank.example",)), scorer=SlowScorer()) as server:
        assert post(server, "/v1/rerank", ("Origin", "https://rank.example")).status_code == 200
        assert post(server, "/v1/rerank", ("Origin", "https://other.example")).status_code == 403
    key = ("x-api-key", "a-key-of-mine")
    with serving(Settings(api_keys=("a-key-of-mine",)), scorer=SlowScorer()) as server:
        assert post(server, "/v1/rerank", key, ("Origin", ELSEWHERE)).status_code == 200
        assert post(server, "/v1/rerank", ("Origin", ELSEWHERE)).status_code == 401


LOOKS = ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": ELSEWHERE})


def test_an_image_of_elsewhere_loads_no_model() -> None:
    with serving(Settings(load="none"), scorer=SlowScorer()) as server:
        for headers in LOOKS:
            assert server.client.get("/ready", headers=headers).status_code == 503
        states = server.app.state.service.pool.states
        assert [status.state for status in states()] == ["unloaded"]
        assert server.metric("yesrank_model_loads_total") == 0
        server.wait_ready()  # a probe sends neither header
        assert [status.state for status in states()] == ["ready"]
        assert all(server.client.get("/ready", headers=headers).status_code == 200 for headers in LOOKS)


def test_a_page_of_elsewhere_holds_no_model_file(plain: Server) -> None:
    path = "/models/builtin/resolve/main/tokenizer.json"
    for headers in LOOKS:
        assert plain.client.get(path, headers=headers).status_code == 403
    for headers in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": plain.url}):
        assert plain.client.get(path, headers=headers).status_code != 403
