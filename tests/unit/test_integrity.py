"""A damaged model is not run: hashes of what is loaded, read once, and remembered by the file."""

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from yesrank import Reranker
from yesrank.convert import convert_onnx
from yesrank.errors import ModelError
from yesrank.evaluate.contender import contender
from yesrank.models import hashes, reranker
from yesrank.models.hashes import content_hash
from yesrank.models.integrity import fingerprint, opened_checked
from yesrank.store import Entry, Store, take_in


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cache" / "hashes.sqlite"
    monkeypatch.setenv("YESRANK_HASHES", str(path))
    forget(monkeypatch)
    return path


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another process."""
    monkeypatch.setattr(hashes, "_known", {})


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files that are read as a whole."""
    names: list[str] = []

    def counting(path: Path) -> str:
        names.append(path.name)
        return real(path)

    real = hashes.sha256
    monkeypatch.setattr(hashes, "sha256", counting)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock an hour ahead: the files are old enough."""
    now = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr(hashes.time, "time_ns", lambda: now)


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["int8"], tmp_path / "model"))


@pytest.fixture(scope="module")
def onnx_folder(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model"
    convert_onnx(checkpoint_folder, path, variants=("q8", "q4"))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Larger than what is read whole each time."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(1 << 16) * 33)
    return path


def zero(path: Path, begin: float = 0.5, end: float = 0.75, *, keep_times: bool = False) -> None:
    """The same size, another content."""
    found = path.stat()
    with path.open("r+b") as file:
        file.seek(int(begin * found.st_size))
        file.write(bytes(int((end - begin) * found.st_size)))
    if keep_times:
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize(
    "name", ["openvino_model.bin", "openvino_model.xml", "head.safetensors", "tokenizer.json", "config.json"]
)
def test_no_part_of_a_converted_folder_is_run_damaged(folder: Path, name: str) -> None:
    Reranker(folder).close()
    zero(folder / name, 0.9, 0.95)
    with pytest.raises(ModelError, match=f"{name} is damaged or was altered") as caught:
        Reranker(folder)
    assert "delete yesrank.json" in str(caught.value.hint)


def test_times_that_are_put_back_hide_nothing(folder: Path) -> None:
    Reranker(folder).close()
    zero(folder / "openvino_model.bin", keep_times=True)
    with pytest.raises(ModelError, match="SHA-256"):
        Reranker(folder)


def test_of_onnx_variants_the_one_that_runs_is_read(
    onnx_folder: Path, tmp_path: Path, read: list[str]
) -> None:
    folder = Path(shutil.copytree(onnx_folder, tmp_path / "copy"))
    zero(folder / "onnx" / "model_quantized.onnx")
    Reranker(folder, variant="q4").close()
    assert "model_q4.onnx" in read
    assert "model_quantized.onnx" not in read
    with pytest.raises(ModelError, match=r"model_quantized\.onnx is damaged"):
        Reranker(folder, variant="q8")


def test_a_folder_of_others_is_run_as_it_is(folder: Path) -> None:
    (folder / "yesrank.json").unlink()
    zero(folder / "openvino_model.bin", 0.1, 0.11)
    Reranker(folder).close()


def test_a_download_is_compared_with_its_name_in_the_cache(folder: Path, tmp_path: Path) -> None:
    (folder / "yesrank.json").unlink()
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    weights = folder / "openvino_model.bin"
    blob = blobs / content_hash(weights)
    weights.rename(blob)
    weights.symlink_to(blob)
    Reranker(folder).close()
    zero(blob)
    with pytest.raises(ModelError, match="not that of the download") as caught:
        Reranker(folder)
    assert str(blob) in str(caught.value.hint)


def test_a_damaged_folder_is_not_added(folder: Path, tmp_path: Path) -> None:
    zero(folder / "openvino_model.bin")
    store = Store(tmp_path / "models.toml")
    with pytest.raises(ModelError, match="SHA-256"):
        take_in(store, Entry("x", folder), str(folder))
    assert store.list() == ()


def test_a_file_is_read_once(
    large: Path, read: list[str], settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = content_hash(large)
    assert content_hash(large) == first
    forget(monkeypatch)
    assert content_hash(large) == first
    assert read == ["large.bin"]


def test_a_file_of_this_moment_is_read_again(large: Path, read: list[str]) -> None:
    """Within a tick of the file system's clock it may change, and keep its times."""
    content_hash(large)
    content_hash(large)
    assert read == ["large.bin"] * 2


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    other.replace(path)


@pytest.mark.parametrize("change", [zero, grow, replace])
def test_another_file_or_content_is_read_anew(
    large: Path, change: Callable[[Path], None], settled: None, read: list[str]
) -> None:
    first = content_hash(large)
    change(large)
    assert content_hash(large) != first
    assert len(read) == 2


def test_a_block_that_the_disk_lost_is_found_by_samples(
    large: Path, settled: None, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    same = hashes.identity(large)
    monkeypatch.setattr(hashes, "identity", lambda _: same)
    first = content_hash(large)
    zero(large, 0.99, 1)
    assert content_hash(large) != first


def test_without_a_place_to_remember_all_works(
    large: Path, settled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("YESRANK_HASHES", str(tmp_path / "file" / "hashes.sqlite"))
    first = content_hash(large)
    forget(monkeypatch)
    assert content_hash(large) == first
    assert len(read) == 2


def test_a_memory_that_is_no_database_is_not_needed(large: Path, settled: None, memory: Path) -> None:
    memory.parent.mkdir()
    memory.write_text("nonsense" * 1000)
    assert content_hash(large) == content_hash(large)


def test_a_memory_that_is_wrong_refuses_no_sound_model(
    folder: Path, settled: None, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "_SMALL", 1 << 17)  # the weights count as large
    Reranker(folder).close()
    with sqlite3.connect(memory) as database:
        changed = database.execute("UPDATE files SET sha256 = '0'").rowcount
    assert changed
    forget(monkeypatch)
    Reranker(folder).close()


def test_the_memory_holds_no_names(large: Path, settled: None, memory: Path) -> None:
    content_hash(large)
    with sqlite3.connect(memory) as opened:
        rows = opened.execute("SELECT * FROM files").fetchall()
    assert len(rows) == 1
    assert b"large" not in memory.read_bytes()


def test_a_file_that_changes_while_it_is_read(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = hashes.sha256

    def writing(path: Path) -> str:
        grow(path)
        return real(path)

    monkeypatch.setattr(hashes, "sha256", writing)
    with pytest.raises(ModelError, match="changed while it was read"):
        content_hash(large)


def test_a_file_that_changes_while_it_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from yesrank.models import engines

    real = engines._open

    def writing(*arguments: object) -> object:
        opened = real(*arguments)  # type: ignore[arg-type]
        os.utime(folder / "openvino_model.bin")
        return opened

    monkeypatch.setattr(engines, "_open", writing)
    with pytest.raises(ModelError, match="changed while it was loaded"):
        Reranker(folder)


# the key of kept scores


@pytest.mark.parametrize("name", ["openvino_model.bin", "tokenizer.json", "head.safetensors", "config.json"])
def test_scores_belong_to_the_content_of_every_file(folder: Path, name: str) -> None:
    before = contender(Entry("x", folder), "x").settings
    assert contender(Entry("x", folder), "x").settings == before
    content = (folder / name).read_bytes()
    (folder / "yesrank.json").unlink()
    unsaid = contender(Entry("x", folder), "x").settings
    assert unsaid["model"] == before["model"], "what the manifest says decides no number"
    if name == "tokenizer.json":
        content = content.replace(b'"version": "1.0"', b'"version":  "1.0"').replace(b'":', b'": ', 1)
    elif name == "config.json":
        content = content.replace(b"{", b"{ ", 1)
    else:
        content = content[:-1] + bytes([content[-1] ^ 1])
    (folder / name).write_bytes(content)
    assert contender(Entry("x", folder), "x").settings["model"] != before["model"]


def test_a_manifest_does_not_vouch_for_other_weights(folder: Path) -> None:
    before = fingerprint(folder, "openvino", None)
    zero(folder / "openvino_model.bin")
    assert fingerprint(folder, "openvino", None) != before


def test_external_weights_belong_to_a_model(tmp_path: Path) -> None:
    found = set()
    for name in ("model.onnx", "model.onnx_data", "model.onnx_data_1", "model.onnx.data"):
        (tmp_path / name).write_bytes(b"other weights")
        found.add(fingerprint(tmp_path, "onnx", None))
    assert len(found) == 4


def test_the_engine_and_the_machine_belong_to_the_key(folder: Path) -> None:
    settings = contender(Entry("x", folder), "x").settings
    assert {*settings["versions"]} == {"yesrank", "tokenizers", "openvino"}  # type: ignore[misc]
    assert settings["processor"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere files cannot be leased")
def test_who_wants_to_change_a_file_waits_until_it_is_loaded(folder: Path) -> None:
    """A mapping of a file that is truncated meanwhile would end the process: so would an unexpected signal."""
    name = "openvino_model.bin"

    def write() -> None:
        os.close(os.open(folder / name, os.O_WRONLY | os.O_NONBLOCK))  # else it would wait

    def open_it() -> str:
        with pytest.raises(BlockingIOError):
            write()
        return "opened"

    assert opened_checked(folder, None, [name], open_it) == "opened"
    write()
    with (folder / name).open("r+b"):  # written by somebody already: what is loaded is compared all the same
        assert opened_checked(folder, None, [name], lambda: "opened") == "opened"


@pytest.mark.parametrize("name", ["tokenizer.json", "head.safetensors", "yesrank.json"])
def test_parts_of_two_models_are_not_taken_for_one(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(*arguments: object) -> object:
        """Another file takes the name at the last moment, as where a folder is copied over."""
        shutil.copy(folder / name, folder / "new")
        (folder / "new").replace(folder / name)
        return real(*arguments)

    real = reranker.head_rows
    monkeypatch.setattr(reranker, "head_rows", replace)
    with pytest.raises(ModelError, match=f"{name} changed while it was loaded"):
        Reranker(folder)
    monkeypatch.setattr(reranker, "head_rows", real)
    Reranker(folder).close()
