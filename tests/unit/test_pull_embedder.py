"""`yesrank pull` of an embedding model as Qwen publishes it, from a small hub on loopback to its vectors."""

import json
from pathlib import Path

import numpy as np
from embedding_models import write_embedder
from hub_user import Home
from loopback_hub import Hub, serving

from yesrank import Embedder

ID = "acme/Tiny-Embedding"


def test_it_is_downloaded_converted_named_and_run(tmp_path: Path, small_tokenizer: str) -> None:
    published = write_embedder(tmp_path / "published", small_tokenizer, tied=False)
    with serving(Hub.of_folder(ID, published)) as hub:
        home = Home(tmp_path / "home", hub.url)
        home.root.mkdir()
        done = home.run("pull", ID, "--weights", "bf16", "--json")
        assert done.returncode == 0, done.stderr
        added = json.loads(done.stdout)
        assert (added["name"], added["kind"], added["default"]) == ("Tiny-Embedding", "embedding", False)
        assert any("1_Pooling/config.json" in each.path for each in hub.requests)
        asked = ("--query", "what?", "--dimensions", "32")
        row = json.loads(
            home.run("embed", *asked).stdout.splitlines()[0]
        )  # the only embedder that has a name
        verified = json.loads(home.run("verify", "Tiny-Embedding", "--prompts", "6", "--json").stdout)
    assert verified["passed"] and verified["least_cosine"] > 0.999
    with Embedder(published, engine="reference") as reference:
        expected = reference.encode_query("what?", dimensions=32)
    assert float(np.dot(row["embedding"], expected)) > 0.999
