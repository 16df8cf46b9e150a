"""An ONNX folder is whole, says what it is, and appears only when everything went well."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from yesrank.checkpoint import Checkpoint
from yesrank.cli.main import app
from yesrank.convert import DEFAULT_VARIANTS, VARIANTS, convert_onnx
from yesrank.convert.onnx import check as checking
from yesrank.convert.onnx import files
from yesrank.errors import (
    CheckpointError,
    ConversionError,
    InputError,
    MissingExtra,
    NoSpace,
    YesrankError,
)
from yesrank.manifest import check_files, read_manifest
from yesrank.randomweights import write_random_checkpoint

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def source(sources: dict[str, Path], tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(sources["tied"], tmp_path / "source"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model"


def assert_fails(
    source: Path, target: Path, kind: type[YesrankError], message: str, **options: object
) -> None:
    before = sorted(target.parent.iterdir())
    with pytest.raises(kind, match=message) as caught:
        convert_onnx(source, target, **options)  # type: ignore[arg-type]
    assert sorted(target.parent.iterdir()) == before
    assert "\n" in str(caught.value), "an error names the next step"


def test_the_folder(sources: dict[str, Path], target: Path) -> None:
    steps: list[tuple[int, int, int, int]] = []
    written = convert_onnx(
        sources["tied"], target, template="chat", progress=lambda *step: steps.append(step)
    )
    manifest = read_manifest(target)
    assert manifest == written
    check_files(target, written, hashes=True)
    assert written.onnx is not None
    assert set(written.onnx.variants) == set(DEFAULT_VARIANTS)
    assert (written.onnx.head, written.template, written.weights) == ("yesno", "chat", "q8,int8,q4")
    for name in DEFAULT_VARIANTS:
        onnxruntime.InferenceSession(target / VARIANTS[name].file, providers=["CPUExecutionProvider"])
    assert {path.name for path in (target / "onnx").iterdir()} == {
        "model_quantized.onnx",
        "model_int8.onnx",
        "model_q4.onnx",
    }
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    assert steps[-1][2] == steps[-1][3]


def test_what_transformers_js_reads(sources: dict[str, Path], onnx_folders) -> None:
    folder = onnx_folders("tied", "full")
    config = json.loads((folder / "config.json").read_text())
    settings = config.pop("transformers.js_config")
    assert settings == {
        "dtype": "int8",
        "device_config": {"webgpu": {"dtype": "q4"}},
        "kv_cache_dtype": {"fp16": "float16", "q4f16": "float16"},
    }
    assert config == json.loads((sources["tied"] / "config.json").read_text())
    for name in ("generation_config.json", "tokenizer_config.json", "tokenizer.json"):
        assert json.loads((folder / name).read_text())
    assert json.loads((folder / "tokenizer_config.json").read_text())["padding_side"] == "left"


def test_the_sources_own_files_are_kept(source: Path, target: Path) -> None:
    kept = {"generation_config.json": '{"eos_token_id": 7}', "tokenizer_config.json": '{"pad_token": "x"}'}
    kept |= {"chat_template.jinja": "{{ messages }}", "LICENSE": "Apache"}
    for name, content in kept.items():
        (source / name).write_text(content)
    config = json.loads((source / "config.json").read_text())
    del config["head_dim"]  # 4 heads of 32 in 128: the default
    config["pad_token_id"] = 3
    (source / "config.json").write_text(json.dumps(config))
    convert_onnx(source, target, variants=["q8"])
    for name, content in kept.items():
        assert (target / name).read_text() == content
    written = json.loads((target / "config.json").read_text())
    assert (written["head_dim"], written["pad_token_id"]) == (32, 3)
    assert written["transformers.js_config"] == {"dtype": "q8"}


def test_the_same_bytes_every_time(sources: dict[str, Path], tmp_path: Path) -> None:
    first, second = (convert_onnx(sources["odd"], tmp_path / name, variants=["q4f16", "q8"]) for name in "ab")
    assert first == second


def test_unknown_options(sources: dict[str, Path], target: Path) -> None:
    source = sources["tied"]
    assert_fails(source, target, InputError, "variants: 'q5' is not known", variants=["q4", "q5"])
    assert_fails(source, target, InputError, "variants: none is named", variants=[])
    assert_fails(source, target, InputError, "head: 'tail' is not known", head="tail")
    assert_fails(source, target, InputError, "template: 'x' is not known", template="x")


def test_an_existing_target_is_not_touched(sources: dict[str, Path], target: Path) -> None:
    target.mkdir()
    (target / "precious").write_text("x")
    assert_fails(sources["tied"], target, InputError, "exists already")
    assert (target / "precious").read_text() == "x"


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_extra_says_how_to_install_it(
    package: str, sources: dict[str, Path], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(
        MissingExtra, match=rf"needs the package {package}.*\n.*pip install 'yesrank\[onnx\]'"
    ):
        convert_onnx(sources["tied"], target)
    assert not target.exists()


def test_importing_the_package_needs_neither() -> None:
    code = "import sys, yesrank.convert; sys.exit('onnx' in sys.modules or 'onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_truncated_weights(source: Path, target: Path) -> None:
    path = source / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    assert_fails(source, target, CheckpointError, "truncated")


@pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"])
@pytest.mark.parametrize("variant", ["fp32", "q8", "q4"])
def test_weights_that_are_not_numbers(name: str, variant: str, source: Path, target: Path) -> None:
    tensors = load_file(source / "model.safetensors")
    tensors[name].reshape(-1)[5] = np.nan
    save_file(tensors, source / "model.safetensors")
    assert_fails(source, target, CheckpointError, f"{name} holds NaN", variants=[variant])


@pytest.mark.parametrize("variant", ["fp16", "q4f16"])
def test_weights_too_large_for_float16(variant: str, source: Path, target: Path) -> None:
    tensors = load_file(source / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"][3, 5] = 3e6
    save_file(tensors, source / "model.safetensors")
    assert_fails(source, target, ConversionError, "too large for float16", variants=[variant])


def test_no_space_is_found_before_anything_is_written(
    sources: dict[str, Path], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 5000, 5000))
    # a lock's library asks for the folder that is there already
    monkeypatch.setattr(
        Path, "mkdir", lambda path, **_: path.exists() or pytest.fail("something was written")
    )
    with pytest.raises(NoSpace, match=r"the model needs \d+\.\d MB, .* has 0\.0 MB free"):
        convert_onnx(sources["tied"], target)


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])


def damage_zeros(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("damage", [damage_empty, damage_cut, damage_zeros])
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_what_was_written_is_checked(
    variant: str,
    damage: object,
    external: bool,
    sources: dict[str, Path],
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write_and_damage(path: Path, *rest: object) -> None:
        write(path, *rest)  # type: ignore[arg-type]
        damage(path.with_name(f"{path.name}_data") if external else path)  # type: ignore[operator]

    if external:
        monkeypatch.setattr(files, "SINGLE_FILE_LIMIT", 0)
    write = files.write
    monkeypatch.setattr(files, "write", write_and_damage)
    assert_fails(sources["tied"], target, ConversionError, "did not pass its check", variants=[variant])


def test_another_models_weights_do_not_pass(onnx_folders, sources: dict[str, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(sources["tied"], tmp_path / "other"))
    write_random_checkpoint(other, Checkpoint(other).config, seed=6)
    for variant in VARIANTS.values():
        with pytest.raises(ConversionError, match="differs from the checkpoint"):
            checking.check(onnx_folders("tied", "full"), Checkpoint(other), variant, "full", None)


def test_a_graph_that_does_not_run_does_not_pass(
    sources: dict[str, Path], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)
    assert_fails(sources["tied"], target, ConversionError, "cannot run it: no such kernel")


SLOW = """
import sys, time
from pathlib import Path
from yesrank.convert import convert_onnx

def progress(tensors, of_tensors, done, total):
    if done > total / 10:
        print("writing", flush=True)
        time.sleep(0.02)

convert_onnx(Path(sys.argv[1]), Path(sys.argv[2]), progress=progress)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_kill_9_leaves_nothing_that_loads(delay: float, sources: dict[str, Path], target: Path) -> None:
    command = [sys.executable, "-c", SLOW, str(sources["tied"]), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        time.sleep(delay)
        process.kill()
    left = list(target.parent.iterdir())
    assert target not in left
    assert all(path.name.startswith((".model.partial-", ".model.lock")) for path in left)
    convert_onnx(sources["tied"], target, variants=["q8"])
    assert list(target.parent.iterdir()) == [target], "the next run removes what the killed one left"


def test_the_command(sources: dict[str, Path], target: Path) -> None:
    arguments = ["convert", str(sources["tied"]), str(target), "--format", "onnx"]
    result = CliRunner().invoke(app, [*arguments, "--variants", "q4, fp32", "--head", "full", "--json"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["format"], shown["weights"], shown["head"]) == ("onnx", "fp32,q4", "full")
    assert shown["files"]["onnx/model_q4.onnx"] == (target / "onnx/model_q4.onnx").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--format", "onnx", "--weights", "int8"], "weights"),
        (["--format", "onnx", "--tokenizer-ir"], "tokenizer_ir"),
        (["--variants", "q4"], "variants"),
        (["--head", "full"], "head"),
    ],
)
def test_options_of_the_other_format_are_refused(
    arguments: list[str], field: str, sources: dict[str, Path], target: Path
) -> None:
    result = CliRunner().invoke(app, ["convert", str(sources["tied"]), str(target), *arguments])
    assert isinstance(result.exception, InputError)
    assert result.exception.field == field
    assert not target.exists()
