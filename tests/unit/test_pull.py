"""`yesrank pull` and `add` of a hub id, against a small hub on loopback, in processes of their own."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_user import Home
from loopback_hub import COMMIT, TOKEN, Hub, serving

from yesrank.randomweights import write_random_checkpoint

ID = "acme/tiny-reranker"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    from random_models import CONFIG

    folder = tmp_path_factory.mktemp("published")
    write_random_checkpoint(folder, CONFIG, seed=3)
    (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    (folder / "LICENSE").write_text("Apache License\n")
    (folder / "pytorch_model.bin").write_bytes(b"not to be fetched")
    return folder


@pytest.fixture
def hub(checkpoint: Path) -> Iterator[Hub]:
    with serving(Hub.of_folder(ID, checkpoint)) as running:
        yield running


@pytest.fixture
def home(hub: Hub, tmp_path: Path) -> Home:
    return Home(tmp_path, hub.url)


def test_a_model_is_downloaded_converted_named_and_run(hub: Hub, home: Home) -> None:
    hub.cut[WEIGHTS] = 1  # the connection breaks once: the same run goes on
    done = home.run("pull", ID, "--json")
    assert done.returncode == 0, done.stderr
    added = json.loads(done.stdout)
    assert (added["name"], added["status"], added["revision"]) == ("tiny-reranker", "added", COMMIT)
    assert added["aliases"] == [ID]
    begin = len(hub.files[WEIGHTS]) // 2
    assert hub.ranges(WEIGHTS) == [None, f"bytes={begin}-"]
    assert hub.ranges("pytorch_model.bin") == []

    listed = json.loads(home.run("list", "--json").stdout)["models"]
    assert [each["name"] for each in listed] == ["tiny-reranker", "builtin"]
    assert (listed[0]["weights"], listed[0]["problem"]) == ("int8", None)
    manifest = json.loads((home.root / "models" / "tiny-reranker" / "yesrank.json").read_text())
    assert manifest["source"]["name"] == ID
    assert manifest["source"]["revision"] == COMMIT

    asked = len(hub.requests)
    assert "there already" in home.run("pull", ID).stdout
    assert [each.path for each in hub.requests[asked:]] == [f"/api/models/{ID}"]
    assert home.run("rerank", "--model", ID, "q", "a", "b", "--json").returncode == 0
    verified = home.run("verify", "tiny-reranker", "--prompts", "2", "--json")
    assert json.loads(verified.stdout)["source"].endswith(COMMIT), verified.stderr


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_download_goes_on_in_the_next_run(hub: Hub, home: Home) -> None:
    hub.stall.add(WEIGHTS)
    process = home.start("pull", ID)
    assert hub.halfway.wait(timeout=30)
    size, begin = 0, len(hub.files[WEIGHTS]) // 2
    while size < begin:  # the client may still be writing what was sent
        size = sum(path.stat().st_size for path in home.root.glob("hf/hub/*/blobs/*.yesrank.incomplete"))
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    hub.stall.clear()
    hub.over.set()
    done = home.run("add", "mine", "--model-path", ID, "--device", "CPU", "--weights", "bf16", "--alias", "m")
    assert done.returncode == 0, done.stderr
    assert hub.ranges(WEIGHTS) == [None, f"bytes={begin}-"]
    assert not [name for name in home.blobs() if "incomplete" in name]
    entry = home.store.get("m")
    assert (entry.name, entry.source, entry.aliases) == ("mine", ID, ("m", ID))

    # what is in the cache needs no network; a second name for the same model gets no alias that is taken
    assert home.run("pull", ID, "--name", "again", HF_HUB_OFFLINE="1").returncode == 0
    assert home.store.get("again").aliases == ()


def test_a_wrong_hash_is_refused_and_deleted(hub: Hub, home: Home) -> None:
    hub.altered.add(WEIGHTS)
    assert "SHA-256 differs" in home.fails("pull", ID)
    weights = hub.siblings()[[*hub.files].index(WEIGHTS)]["lfs"]
    assert isinstance(weights, dict)
    assert not [name for name in home.blobs() if name.startswith(str(weights["sha256"]))]
    hub.altered = {"LICENSE"}
    assert "LICENSE in the cache is not the file" in home.fails("pull", ID)
    hub.altered.clear()
    assert home.run("pull", ID).returncode == 0


def test_a_private_model_says_how_to_log_in(hub: Hub, home: Home) -> None:
    hub.private = True
    message = home.fails("pull", ID)
    assert "is private, or does not exist" in message
    assert "hf auth login" in message
    assert "token in use is not valid" in home.fails("pull", ID, HF_TOKEN="hf_wrong")
    assert home.run("pull", ID, HF_TOKEN=TOKEN).returncode == 0
    content = [each for each in hub.requests if each.path.startswith("/content/")]
    assert content
    assert all(each.authorization is None for each in content), "the token is for the hub alone"


def test_a_gated_model_says_where_its_terms_are(hub: Hub, home: Home) -> None:
    hub.status, hub.code = 403, "GatedRepo"
    message = home.fails("pull", ID)
    assert "is gated" in message
    assert f"{hub.url}/{ID}" in message


def test_what_is_not_there(hub: Hub, home: Home) -> None:
    assert "has no model acme/other" in home.fails("pull", "acme/other")
    assert "no revision 'v9'" in home.fails("pull", ID, "--revision", "v9")
    assert "is not an id" in home.fails("pull", "tiny")
    hub.status = 500
    assert "answered with status 500" in home.fails("pull", ID)


def test_no_network(hub: Hub, home: Home) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        home.endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound, and nobody listens
        assert "the connection to the hub" in home.fails("pull", ID)
    assert "HF_HUB_OFFLINE" in home.fails("pull", ID, HF_HUB_OFFLINE="1")


def test_what_cannot_be_run_is_refused_before_it_is_downloaded(hub: Hub, home: Home) -> None:
    config = json.loads(hub.files["config.json"])
    hub.files["config.json"] = json.dumps({**config, "model_type": "llama"}).encode()
    home.fails("pull", ID)
    assert hub.ranges(WEIGHTS) == []
    hub.files = {"model.gguf": b"GGUF", "config.json": b"{}"}
    assert "GGUF" in home.fails("pull", ID)


def test_neither_poolings_that_cannot_be_followed_nor_adapters_are_downloaded(hub: Hub, home: Home) -> None:
    pooling = [{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    hub.files["modules.json"] = json.dumps(pooling).encode()
    hub.files["1_Pooling/config.json"] = json.dumps({"pooling_mode": "mean"}).encode()
    assert "pools by mean" in home.fails("pull", ID)
    del hub.files["modules.json"]
    hub.files |= {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x"}
    assert "a whole model and an adapter" in home.fails("pull", ID)
    assert hub.ranges(WEIGHTS) == []


def test_the_recipe_of_a_model_is_downloaded_and_followed(hub: Hub, home: Home) -> None:
    modules = ("base.modules.transformer.Transformer", "cross_encoder.modules.logit_score.LogitScore")
    paths = zip(modules, ("", "1_LogitScore"), strict=True)
    listed = [{"type": f"sentence_transformers.{kind}", "path": path} for kind, path in paths]
    hub.files["modules.json"] = json.dumps(listed).encode()
    hub.files["1_LogitScore/config.json"] = b'{"true_token_id": 17, "false_token_id": 16}'
    done = home.run("add", "tiny-reranker", "--model-path", ID, "--json", "--template", "chat")
    assert "answers (LogitScore)" in done.stderr
    inspected = home.run("inspect", "tiny-reranker", "--json")
    facts = json.loads(inspected.stdout)
    assert (facts["template"], facts["answers"]) == ("chat", {"yes": 17, "no": 16})


def test_an_openvino_model_is_used_as_published(hub: Hub, home: Home, folders: dict[str, Path]) -> None:
    hub.files = {path.name: path.read_bytes() for path in sorted(folders["int8"].iterdir())}
    done = home.run("pull", ID, "--json")
    assert done.returncode == 0, done.stderr
    path = Path(json.loads(done.stdout)["path"])
    assert path.parent.name == "snapshots"
    assert home.run("rerank", "--model", "tiny-reranker", "q", "a").returncode == 0
    removed = home.run("remove", "tiny-reranker", "--delete-files")
    assert "was not made by yesrank" in removed.stderr
    assert path.is_dir()
