"""The model in the package: its two folders belong together, and every engine ranks with it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from yesrank import Reranker
from yesrank.cli.main import app
from yesrank.manifest import check_files, read_manifest, sha256
from yesrank.models.folder import builtin_checkpoint, builtin_folder

QUERY = "What is the capital of France?"
DOCUMENTS = [
    "Berlin is the capital of Germany.",
    "Paris is the capital and largest city of France.",
    "France is a country in Western Europe.",
]


def test_the_folder_is_whole_and_made_from_the_checkpoint() -> None:
    manifest = read_manifest(builtin_folder())
    assert manifest is not None
    check_files(builtin_folder(), manifest, hashes=True)
    source = builtin_checkpoint() / "model.safetensors"
    assert manifest.source_files == {source.name: sha256(source)}
    assert source.stat().st_size < 25_000_000


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_the_card_s_example_is_in_the_right_order(engine: str) -> None:
    with Reranker(engine=engine) as reranker:
        assert [hit.index for hit in reranker.rank(QUERY, DOCUMENTS)] == [1, 2, 0]


def test_the_checkpoint_gives_nearly_the_same_logits() -> None:
    with Reranker() as shipped, Reranker(builtin_checkpoint(), engine="reference") as exact:
        pairs = [(QUERY, document) for document in DOCUMENTS]
        assert abs(shipped.score(pairs).logits - exact.score(pairs).logits).max() < 0.15


def test_convert_takes_its_name(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["convert", "builtin", str(tmp_path / "model"), "--json"])
    assert "nothing says" not in done.stderr  # this one is known to rank
    assert done.exit_code == 0
    written = json.loads(done.stdout)["files"]
    assert written["openvino_model.bin"] == (builtin_folder() / "openvino_model.bin").stat().st_size
