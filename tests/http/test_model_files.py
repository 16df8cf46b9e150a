"""ONNX files of served models: in the hub's layout, only those that a manifest lists, in parts, and unchanged."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server, SlowScorer, serving

from yesrank.manifest import FileEntry, Manifest, write_manifest
from yesrank.serve.settings import Settings
from yesrank.store import Entry

GRAPH = bytes(range(256)) * 40
BASE = "/models/org/small.v1/resolve/main"
FILES = {
    "config.json": b"{}",
    "onnx/model_quantized.onnx": GRAPH,
    "onnx/model_q4.onnx": b"graph",
    "onnx/model_q4.onnx_data": b"data",
    "onnx/model_q4.onnx_data_1": b"more",
    "gone.json": b"{}",
    "altered.json": b"{}",
    "leads-out.json": b"{}",
}


def write(home: Path, files: dict[str, bytes]) -> Path:
    (home / "onnx").mkdir(parents=True)
    for name, content in files.items():
        (home / name).write_bytes(content)
    entries = {name: FileEntry(len(b), hashlib.sha256(b).hexdigest()) for name, b in files.items()}
    write_manifest(
        home, Manifest("0", "s", None, {}, "q8", "card", {"yes": 1, "no": 0}, 512, 512, files=entries)
    )
    return home


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = write(tmp_path_factory.mktemp("models") / "small", FILES)
    (home / "unlisted.json").write_text("{}")
    (home.parent / "secret.json").write_text("{}")
    (home / "gone.json").unlink()
    (home / "altered.json").write_text("{ }")
    (home / "leads-out.json").unlink()
    (home / "leads-out.json").symlink_to(home.parent / "secret.json")
    return home


@pytest.fixture(scope="module")
def offering(folder: Path) -> Iterator[Server]:
    plain = write(folder.parent / "plain", {"config.json": b"{}"})
    entries = [Entry("org/small.v1", folder, aliases=("small",)), Entry("plain", plain)]
    with serving(Settings(), entries, SlowScorer()) as found:
        yield found


def test_a_listed_file_comes_whole_with_its_hash_as_tag(offering: Server) -> None:
    found = offering.client.get(f"{BASE}/onnx/model_quantized.onnx")
    assert (found.status_code, found.content) == (200, GRAPH)
    assert found.headers["etag"] == f'"{hashlib.sha256(GRAPH).hexdigest()}"'
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert offering.client.get("/models/small/resolve/main/config.json").json() == {}
    assert "files" in offering.client.get(f"{BASE}/yesrank.json").json()


def test_parts_and_what_is_there_already(offering: Server) -> None:
    path = f"{BASE}/onnx/model_quantized.onnx"
    tag = offering.client.get(path).headers["etag"]
    part = offering.client.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, GRAPH[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(GRAPH)}"
    rest = offering.client.get(path, headers={"Range": "bytes=10000-", "If-Range": tag})
    assert (rest.status_code, rest.content) == (206, GRAPH[10000:])
    other = offering.client.get(path, headers={"Range": "bytes=10000-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, GRAPH)
    assert offering.client.get(path, headers={"Range": f"bytes={len(GRAPH)}-"}).status_code == 416
    known = offering.client.get(path, headers={"If-None-Match": tag})
    assert (known.status_code, known.content) == (304, b"")
    head = offering.client.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(GRAPH)))


@pytest.mark.parametrize(
    "name",
    [
        "unlisted.json",
        "onnx",
        "onnx/",
        "../secret.json",
        "%2e%2e/secret.json",
        "onnx/../../secret.json",
        "onnx/..%2f..%2fsecret.json",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "config.json%00",
        "CONFIG.JSON",
    ],
)
def test_nothing_that_is_not_listed(offering: Server, name: str) -> None:
    request = offering.client.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=f"{BASE}/{name}".encode())
    assert offering.client.send(request).status_code == 404


@pytest.mark.parametrize("name", ["gone.json", "altered.json", "leads-out.json"])
def test_a_file_that_is_not_the_listed_one_is_not_sent(offering: Server, name: str) -> None:
    answer = offering.client.get(f"{BASE}/{name}")
    assert answer.status_code == 503
    assert "/small/" not in answer.text
    assert name in offering.log


def test_models_without_onnx_files_offer_none(offering: Server) -> None:
    assert "onnx" not in offering.client.get("/v1/models/plain").json()
    for model in ("plain", "nobody"):
        assert offering.client.get(f"/models/{model}/resolve/main/config.json").status_code == 404


def test_other_revisions_and_methods(offering: Server) -> None:
    assert offering.client.get("/models/small/resolve/other/config.json").status_code == 404
    assert offering.client.put("/models/small/resolve/main/config.json").status_code == 405


def test_models_tell_their_variants_with_data_files_counted_in(offering: Server) -> None:
    found = offering.client.get("/v1/models/small").json()
    assert found["onnx"] == {"path": f"{BASE}/", "variants": {"q8": len(GRAPH), "q4": 13}}


def test_a_folder_that_was_replaced_is_read_again(tmp_path: Path, folder: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, symlinks=True)
    with serving(Settings(), [Entry("copy", copy)], SlowScorer()) as server:
        assert "onnx" in server.client.get("/v1/models/copy").json()
        (copy / "yesrank.json").write_text("not JSON")
        assert "onnx" not in server.client.get("/v1/models/copy").json()
        assert server.client.get("/models/copy/resolve/main/config.json").status_code == 404
        (copy / "yesrank.json").unlink()
        assert server.client.get("/models/copy/resolve/main/config.json").status_code == 404


def test_the_path_that_is_told_is_one_behind_the_proxy(folder: Path) -> None:
    with serving(Settings(root_path="/ranking/"), [Entry("small", folder)], SlowScorer()) as behind:
        (model,) = behind.client.get("/ranking/v1/models").json()["data"]
        path = model["onnx"]["path"]
        assert path == "/ranking/models/small/resolve/main/"
        assert behind.client.get(path + "config.json").json() == {}
