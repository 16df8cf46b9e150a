"""`yesrank pull` and `add` of repositories that hold ONNX files, against a small hub on loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from exported_graphs import write_exported
from hub_user import Home
from loopback_hub import COMMIT, Hub, serving

from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert_onnx
from yesrank.errors import InputError, MissingExtra, UnsupportedModel
from yesrank.store import Entry, Store, hub, take_in
from yesrank.store.choice import Choice, choose
from yesrank.store.hub import RemoteFile, Repository

ID = "acme/tiny-reranker-ONNX"
NAME = "tiny-reranker-ONNX"
Q8, Q4, F32 = "onnx/model_quantized.onnx", "onnx/model_q4.onnx", "onnx/model.onnx"
DATA = "onnx/model.onnx_data"


@pytest.fixture(scope="module")
def made(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `yesrank convert --format onnx` writes, as somebody may publish it."""
    folder = tmp_path_factory.mktemp("onnx") / "made"
    convert_onnx(checkpoint_folder, folder, variants=("q8", "int8", "q4"), head="yesno")
    return folder


@pytest.fixture(scope="module")
def published(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A repository for Transformers.js: q8 and q4, and float32 with its weights in a file of their own."""
    folder = tmp_path_factory.mktemp("onnx") / "published"
    convert_onnx(checkpoint_folder, folder, variants=("q8", "q4"), head="full")
    write_exported(folder, Checkpoint(checkpoint_folder), external="model.onnx_data")
    (folder / "README.md").write_text("not to be fetched")
    for name in ("yesrank.json", "head.safetensors"):
        (folder / name).unlink()
    return Hub.of_folder(ID, folder).files


@pytest.fixture
def hub_of_onnx(published: dict[str, bytes]) -> Iterator[Hub]:
    with serving(Hub(ID, {**published})) as running:
        yield running


@pytest.fixture
def home(hub_of_onnx: Hub, tmp_path: Path) -> Home:
    return Home(tmp_path, hub_of_onnx.url)


def onnx_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "onnx").iterdir()}


def fetched(running: Hub) -> set[str]:
    """The large files of which anything was asked for."""
    return {each.path.removeprefix("/content/") for each in running.requests if "/content/" in each.path}


def precision(home: Home, name: str) -> str:
    """What a stored name runs with."""
    done = home.run("rerank", "--model", name, "q", "a", "b", "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["precision"])


def test_one_variant_is_downloaded_named_and_run(hub_of_onnx: Hub, home: Home) -> None:
    done = home.run("pull", ID, "--json")
    assert done.returncode == 0, done.stderr
    assert "variant q8 of q8, fp32, q4; " in done.stderr
    added = json.loads(done.stdout)
    assert (added["name"], added["status"], added["revision"]) == (NAME, "added", COMMIT)
    assert (added["variant"], added["engine"], added["aliases"]) == ("q8", None, [ID])
    assert fetched(hub_of_onnx) == {Q8, "tokenizer.json"}
    path = Path(added["path"])
    assert onnx_in(path) == {"model_quantized.onnx"}
    assert not (path / "README.md").exists()

    assert precision(home, ID) == "q8"
    [listed, _] = json.loads(home.run("list", "--json").stdout)["models"]
    assert (listed["variant"], listed["problem"]) == ("q8", None)
    assert json.loads(home.run("inspect", NAME, "--json").stdout)["problems"] == []
    asked = len(hub_of_onnx.requests)
    assert "there already" in home.run("pull", ID).stdout
    assert [each.path for each in hub_of_onnx.requests[asked:]] == [f"/api/models/{ID}"]

    removed = home.run("remove", NAME, "--delete-files")
    assert f"stays in the Hugging Face cache: hf cache rm model/{ID}" in removed.stderr
    assert path.is_dir()


def test_a_variant_comes_with_its_data_files(hub_of_onnx: Hub, home: Home) -> None:
    hub_of_onnx.cut[DATA] = 1  # the connection breaks once: the same run goes on
    done = home.run("add", "exact", "--model-path", ID, "--variant", "fp32", "--json")
    assert done.returncode == 0, done.stderr
    assert onnx_in(Path(json.loads(done.stdout)["path"])) == {"model.onnx", "model.onnx_data"}
    assert hub_of_onnx.ranges(DATA) == [None, f"bytes={len(hub_of_onnx.files[DATA]) // 2}-"]
    assert precision(home, "exact") == "fp32"


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_download_goes_on_in_the_next_run(hub_of_onnx: Hub, home: Home) -> None:
    hub_of_onnx.stall.add(DATA)
    process = home.start("pull", ID, "--variant", "fp32")
    assert hub_of_onnx.halfway.wait(timeout=30)
    size, begin = 0, len(hub_of_onnx.files[DATA]) // 2
    while size < begin:  # the client may still be writing what was sent
        size = sum(path.stat().st_size for path in home.root.glob("hf/hub/*/blobs/*.yesrank.incomplete"))
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    hub_of_onnx.stall.clear()
    hub_of_onnx.over.set()
    assert "not wholly, in the Hugging Face cache" in home.fails("pull", ID, HF_HUB_OFFLINE="1")
    assert home.run("pull", ID, "--variant", "fp32").returncode == 0
    assert hub_of_onnx.ranges(DATA) == [None, f"bytes={begin}-"]
    assert hub_of_onnx.ranges(F32) == [None]


def test_a_wrong_hash_is_refused_and_deleted(hub_of_onnx: Hub, home: Home) -> None:
    hub_of_onnx.altered.add(Q4)
    assert "onnx/model_q4.onnx is not the file" in home.fails("pull", ID, "--variant", "q4")
    assert not [name for name in home.blobs() if "incomplete" in name]
    hub_of_onnx.altered.clear()
    assert home.run("pull", ID, "--variant", "q4").returncode == 0


def test_what_cannot_be_run_is_refused_before_it_is_downloaded(hub_of_onnx: Hub, home: Home) -> None:
    message = home.fails("pull", ID, "--variant", "fp16")
    assert f"variant: {ID} has no variant fp16; it has q8, fp32, q4" in message
    assert "use one of: int8, q8" in home.fails("pull", ID, "--variant", "q5")
    assert "weights: " in home.fails("pull", ID, "--weights", "int8")
    assert "weights: " in home.fails("pull", ID, "--weights", "int8", "--variant", "q8")
    config = json.loads(hub_of_onnx.files["config.json"])
    hub_of_onnx.files["config.json"] = json.dumps({**config, "model_type": "llama"}).encode()
    home.fails("pull", ID)
    assert fetched(hub_of_onnx) == set()


def test_a_second_variant_needs_a_name_of_its_own_and_changes_nothing(
    hub_of_onnx: Hub, home: Home, made: Path
) -> None:
    hub_of_onnx.files["onnx/model_int8.onnx"] = (made / "onnx" / "model_int8.onnx").read_bytes()
    assert home.run("pull", ID, "--variant", "q4").returncode == 0
    message = home.fails("pull", ID, "--variant", "q8")
    assert f"name: {NAME} is variant q4, not variant q8" in message
    assert f"next: keep both: yesrank pull {ID} --variant q8 --name {NAME}-q8" in message
    assert "not a conversion" in home.fails("pull", ID, "--weights", "int8")
    assert home.run("pull", ID, "--variant", "q8", "--name", "other").returncode == 0
    assert fetched(hub_of_onnx) == {Q4, Q8, "tokenizer.json"}
    first, second = home.store.list()
    assert (first.path, first.variant, second.variant) == (second.path, "q4", "q8")
    assert precision(home, NAME) == "q4", "though q8 goes before q4 in the same folder"
    assert home.run("pull", ID).stdout.startswith("there already")


def test_without_the_network_the_cache_serves(hub_of_onnx: Hub, home: Home) -> None:
    assert home.run("pull", ID, "--variant", "q4").returncode == 0
    asked = len(hub_of_onnx.requests)
    message = home.fails("pull", ID, "--variant", "q8", "--name", "b", HF_HUB_OFFLINE="1")
    assert f"variant q8 of {ID} is not, or not wholly, in the Hugging Face cache" in message
    assert home.run("pull", ID, "--name", "c", HF_HUB_OFFLINE="1").returncode == 0
    assert home.store.get("c").variant == "q4"
    assert len(hub_of_onnx.requests) == asked


def test_a_checkpoint_goes_before_onnx_files_unless_these_are_asked_for(
    hub_of_onnx: Hub, home: Home, checkpoint_folder: Path
) -> None:
    weights = "model.safetensors"
    hub_of_onnx.files[weights] = (checkpoint_folder / weights).read_bytes()
    done = home.run("pull", ID, "--variant", "q8", "--name", "q8", "--json")
    assert done.returncode == 0, done.stderr
    assert fetched(hub_of_onnx) == {Q8, "tokenizer.json"}
    # the folder in the cache now holds ONNX files, and the checkpoint is converted all the same
    converted = home.run("pull", ID, "--json")
    assert converted.returncode == 0, converted.stderr
    assert Path(json.loads(converted.stdout)["path"]).parent == home.root / "models"
    assert fetched(hub_of_onnx) == {Q8, weights, "tokenizer.json"}
    assert home.store.get(NAME).variant is None
    assert "is no ONNX model, not variant q8" in home.fails("pull", ID, "--variant", "q8")
    again = home.run("pull", ID, "--name", "c", "--weights", "bf16", HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr
    assert home.run("add", "d", "--model-path", ID, "--engine", "onnx").returncode == 0
    assert (home.store.get("d").engine, home.store.get("d").variant) == ("onnx", "q8")
    verified = home.run("verify", "q8", "--prompts", "2", "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["source"] == json.loads(done.stdout)["path"]


def test_verify_wants_a_checkpoint(home: Home, checkpoint_folder: Path) -> None:
    assert home.run("pull", ID).returncode == 0
    assert "--source CHECKPOINT" in home.fails("verify", NAME)
    done = home.run("verify", NAME, "--source", str(checkpoint_folder), "--prompts", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["engine"]["precision"] == "q8"


def test_a_folder_that_we_made_works_with_one_of_its_variants(
    hub_of_onnx: Hub, home: Home, made: Path
) -> None:
    hub_of_onnx.files = Hub.of_folder(ID, made).files
    done = home.run("pull", ID, "--variant", "q4", "--json")
    assert done.returncode == 0, done.stderr
    assert onnx_in(Path(json.loads(done.stdout)["path"])) == {"model_q4.onnx"}
    assert precision(home, NAME) == "q4"
    [listed, _] = json.loads(home.run("list", "--json").stdout)["models"]
    assert listed["problem"] is None
    assert json.loads(home.run("inspect", NAME, "--json").stdout)["problems"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_it_is_served(home: Home) -> None:
    assert home.run("pull", ID, "--variant", "q4").returncode == 0
    server = home.start("serve", NAME, "--port", "0")
    assert server.stderr is not None
    try:
        line = next(line for line in server.stderr if "listens on" in line)
        url = line.split("listens on ")[1].split(",")[0].strip()
        body = {"query": "q", "documents": ["a", "b"], "model": ID}
        answer = httpx.post(f"{url}/v1/rerank", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["results"]) == 2
        [model] = httpx.get(f"{url}/v1/models", timeout=30).json()["data"]
        assert (model["engine"]["engine"], model["engine"]["precision"]) == ("onnx", "q4")
    finally:
        server.terminate()
        try:
            server.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.communicate()


def test_a_missing_package_is_found_before_the_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = tuple(RemoteFile(name, 1, None, None) for name in ("config.json", "tokenizer.json", Q8))
    monkeypatch.setattr(hub, "look_up", lambda *_: Repository(ID, COMMIT, files))
    monkeypatch.setattr(hub, "download", lambda *_: pytest.fail("it was downloaded"))
    monkeypatch.setattr("yesrank.engine.onnx.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"yesrank\[onnx\]"):
        take_in(Store(tmp_path / "names.toml"), Entry("x", tmp_path), ID)


def test_a_checkpoint_in_a_folder_has_no_variants(checkpoint_folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "names.toml")
    for field in ("variant", "engine"):
        entry = Entry("x", tmp_path, **{field: {"variant": "q8", "engine": "onnx"}[field]})
        with pytest.raises(InputError, match=f"{field}: .* holds no ONNX files\n.*--format onnx"):
            take_in(store, entry, str(checkpoint_folder))
    assert store.list() == ()


def chosen(*names: str, engine: str | None = None, variant: str | None = None) -> Choice:
    return choose(ID, ["config.json", *names], engine, variant)


def test_the_choice_among_what_a_repository_holds() -> None:
    openvino = ("openvino_model.xml", "openvino_model.bin")
    assert chosen("model.safetensors", *openvino, Q8).kind == "checkpoint"
    assert chosen(*openvino, Q8).kind == "openvino"
    assert chosen(*openvino, Q8, engine="onnx").variant == "q8"
    assert chosen(Q4, Q8, "onnx/model_int8.onnx").variants == ("int8", "q8", "q4")
    assert chosen(Q8, "model.onnx").variants == ("q8",), "onnx/ goes before the top"
    with pytest.raises(InputError, match=r"engine: .* holds no ONNX files"):
        chosen("model.safetensors", engine="onnx")
    with pytest.raises(InputError, match=r"variant: .* holds no ONNX files"):
        chosen(*openvino, variant="q8")


def test_the_files_of_a_variant() -> None:
    needed = [F32, DATA, "onnx/model.onnx_data_1", "onnx/model.onnx.data"]
    others = [Q4, f"{Q4}_data", "onnx/model_q4f16.onnx", "model.onnx", "model.onnx_data", "model.safetensors"]
    choice = chosen(*needed, *others, variant="fp32")
    assert [name for name in (*needed, *others) if choice.takes(name)] == needed
    choice = chosen("model_q4.onnx", "model_q4.onnx_data")
    assert choice.takes("model_q4.onnx_data")
    assert choice.takes("tokenizer.json")
    assert choice.takes("LICENSE.md")
    assert not choice.takes("README.md")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((Q8,), "has no config.json"),
        (
            ("config.json", "onnx/decoder_model_merged.onnx"),
            r"other names than .*: onnx/decoder_model_merged",
        ),
        (("config.json", "README.md"), "holds none of"),
        (("adapter_config.json", "adapter_model.safetensors"), "LoRA adapter"),
    ],
)
def test_what_is_not_there_is_said(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UnsupportedModel, match=message):
        choose(ID, names)
