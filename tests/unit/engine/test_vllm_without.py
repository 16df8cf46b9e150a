"""What can be known of the engine vllm without vLLM: options, refusals, the extra. The rest: tests/vllm_engine."""

import sys
from pathlib import Path

import pytest

from yesrank import Reranker
from yesrank.checkpoint import Checkpoint
from yesrank.cli.opening import engine_options
from yesrank.engine.vllm import VllmEngine
from yesrank.engine.vllm import arguments as vllm_arguments
from yesrank.errors import InputError, MissingExtra, ModelError
from yesrank.evaluate.contender import contender
from yesrank.store import Entry, Store


@pytest.fixture(autouse=True)
def _is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)


def test_the_extra_is_named(checkpoint_folder: Path) -> None:
    with pytest.raises(MissingExtra, match=r"yesrank\[vllm\]"):
        Reranker(checkpoint_folder, engine="vllm")


@pytest.mark.parametrize(
    ("options", "precision", "field"),
    [
        ({"runner": "generate"}, "auto", "engine_options"),
        ({"hf_overrides": {}}, "auto", "engine_options"),
        ({"dtype": "float16"}, "bf16", "engine_options"),
        ({}, "int8", "precision"),
    ],
)
def test_options_that_cannot_be(
    checkpoint_folder: Path, options: dict[str, object], precision: str, field: str
) -> None:
    with pytest.raises(InputError) as caught:
        VllmEngine(checkpoint_folder, precision=precision, options=options)
    assert caught.value.field == field
    assert caught.value.hint


def test_a_converted_folder_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="holds no checkpoint"):
        Reranker(folders["int8"], engine="vllm")


@pytest.mark.parametrize("engine", [None, "openvino"])
def test_other_engines_take_no_options(folders: dict[str, Path], engine: str | None) -> None:
    with pytest.raises(InputError, match="the engine openvino has none"):
        Reranker(folders["int8"], engine=engine, engine_options={"dtype": "float16"})


def test_options_on_the_command_line() -> None:
    given = ["tensor_parallel_size=2", "dtype=float16", "enforce_eager=true", "quantization=fp8", "a="]
    assert engine_options(given) == {
        "tensor_parallel_size": 2,
        "dtype": "float16",
        "enforce_eager": True,
        "quantization": "fp8",
        "a": "",
    }
    assert engine_options(None) is None
    for wrong in ("dtype", "=2", "a-b=2"):
        with pytest.raises(InputError, match="is not NAME=VALUE"):
            engine_options([wrong])


def test_they_are_stored_with_a_name_and_go_with_its_engine(tmp_path: Path) -> None:
    options = {"tensor_parallel_size": 2, "dtype": "float16"}
    store = Store(tmp_path / "models.toml")
    store.add(Entry("card", tmp_path, engine="vllm", engine_options=options))
    found = store.find("card")
    assert found is not None
    assert found.engine_options == options
    assert found.overridden(engine="onnx").engine_options == {}
    assert found.overridden(device="CPU").engine_options == options


def test_kept_scores_depend_on_them(checkpoint_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["yesrank.evaluate.contender"]  # the package gives its function by the same name
    monkeypatch.setattr(module, "version", lambda name: f"1.0 of {name}")
    entry = Entry("card", checkpoint_folder, engine="vllm")
    plain = contender(entry, "card").settings
    quantised = contender(entry.overridden(engine_options={"quantization": "fp8"}), "card").settings
    assert plain["versions"]["vllm"] == "1.0 of vllm"
    assert plain != quantised


@pytest.mark.parametrize(("precision", "dtype"), [("auto", "bfloat16"), ("f32", "float32")])
def test_vllm_is_always_told_a_type(checkpoint_folder: Path, precision: str, dtype: str) -> None:
    """Left to itself it takes float16 for pooling where config.json names float32, or no type."""
    found = vllm_arguments(Checkpoint(checkpoint_folder), precision, {})
    assert found["dtype"] == dtype
    assert vllm_arguments(Checkpoint(checkpoint_folder), "auto", {"dtype": "float16"})["dtype"] == "float16"
