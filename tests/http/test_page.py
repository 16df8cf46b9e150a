"""The page at / and its files: who gets it, what a browser is told, and that nothing else is handed out."""

import gzip
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from serving import Server, SlowScorer, serving

from yesrank.serve.http import page
from yesrank.serve.settings import Settings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def links(text: str) -> list[str]:
    return [link for link in re.findall(r'(?:src|href)="\./([^"]+)"', text) if not link.startswith("docs")]


def test_browsers_get_the_page_and_everything_it_links(server: Server) -> None:
    found = server.client.get("/", headers=BROWSER)
    assert found.status_code == 200
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert len(links(found.text)) >= 3
    for link in links(found.text):
        assert server.client.get(f"/{link}").status_code == 200, link


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html", True),
        ("text/html;q=0.5, application/json;q=0.4", True),
        ("application/json", False),
        ("application/json, text/html;q=0.9", False),
        ("*/*", False),
        ("text/html;q=0", False),
        ("text/html;q=none", False),
        ("", False),
    ],
)
def test_programs_are_told_where_things_are(server: Server, accept: str, html: bool) -> None:
    found = server.client.get("/", headers={"Accept": accept})
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/html" if html else "application/json")
    assert "Accept" in found.headers["vary"]
    if not html:
        assert found.json()["models"] == "/v1/models"
        assert server.client.get(found.json()["openapi"]).status_code == 200


def test_no_script_or_connection_but_the_servers_own(server: Server) -> None:
    html = server.client.get("/", headers=BROWSER)
    script = next(link for link in links(html.text) if link.endswith(".js"))
    for answer in (html, server.client.get(f"/{script}")):  # a worker has the policy of its own answer
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self';" in policy
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy
        assert not re.search("https?:", policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", html.text)


def test_files_are_kept_by_browsers_and_asked_for_once(server: Server) -> None:
    html = server.client.get("/", headers=BROWSER)
    link = next(link for link in links(html.text) if link.endswith(".js"))
    first = server.client.get(f"/{link}")
    assert "immutable" in first.headers["cache-control"]
    assert html.headers["cache-control"] == "no-cache"
    for path, tag in ((f"/{link}", first.headers["etag"]), ("/", html.headers["etag"])):
        again = server.client.get(path, headers={**BROWSER, "If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")


def test_text_is_sent_packed_where_it_is_understood(server: Server) -> None:
    plain = server.client.get("/", headers={**BROWSER, "Accept-Encoding": "identity"})
    packed = server.client.get("/", headers={**BROWSER, "Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert packed.headers["etag"] != plain.headers["etag"]
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


def test_onnxruntime_is_packed_and_no_one_unpacks_it_on_the_way(server: Server) -> None:
    told = json.loads((page.folder() / "build.json").read_text())["packed"]["parts"]
    assert len(told) == 2  # one for each device
    for name, size in told:
        found = server.client.get(f"/{name}")
        assert "content-encoding" not in found.headers
        code = gzip.decompress(found.content)
        assert (code[:4], len(code)) == (b"\0asm", size)
        assert hashlib.sha256(code).hexdigest()[:10] in name
    assert server.client.get("/assets/onnxruntime.xz").status_code == 404


def test_a_static_host_gets_what_the_server_hands_out(server: Server, tmp_path: Path) -> None:
    page.publish(tmp_path / "site")
    published = {
        path.relative_to(tmp_path / "site").as_posix(): path for path in (tmp_path / "site").rglob("*.*")
    }
    names = [name for name in published if name != "index.html"]
    assert any(name.endswith(".wasm.gz") for name in names)
    for name in names:
        assert server.client.get(f"/{name}").content == published[name].read_bytes()
    assert published["index.html"].read_bytes() == server.client.get("/", headers=BROWSER).content


@pytest.mark.parametrize(
    "path",
    [
        "/assets/nothing.js",
        "/assets/",
        "/assets/../index.html",
        "/assets/%2e%2e/build.json",
        "/assets/..%2f..%2fbuiltin%2fconfig.json",
        "/assets/%00",
        "/build.json",
        "/index.html",
    ],
)
def test_nothing_else_is_handed_out(server: Server, path: str) -> None:
    answer = server.client.build_request("GET", "/")
    answer.url = answer.url.copy_with(raw_path=path.encode())
    assert server.client.send(answer).status_code == 404


def test_the_page_needs_no_key_but_all_else_does() -> None:
    with serving(Settings(api_keys=("a-key-of-mine",)), scorer=SlowScorer()) as locked:
        html = locked.client.get("/", headers=BROWSER)
        assert html.status_code == 200
        assert all(locked.client.get(f"/{link}").status_code == 200 for link in links(html.text))
        for path in ("/v1/models", "/models/builtin/resolve/main/config.json", "/docs", "/assetsx"):
            assert locked.client.get(path).status_code == 401, path
        assert locked.client.post("/", json={}).status_code in (401, 405)


def test_behind_a_prefix_the_page_finds_its_files() -> None:
    with serving(replace(Settings(), root_path="/ranking"), scorer=SlowScorer()) as server:
        html = server.client.get("/ranking/", headers=BROWSER)
        assert html.status_code == 200
        assert all(server.client.get(f"/ranking/{link}").status_code == 200 for link in links(html.text))


def test_head_says_what_get_would(server: Server) -> None:
    for path in ("/", f"/{links(server.client.get('/', headers=BROWSER).text)[0]}"):
        get, head = (server.client.request(verb, path, headers=BROWSER) for verb in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
