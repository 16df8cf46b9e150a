"""A conversion that cannot be finished leaves nothing behind, and says what to do."""

import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from safetensors.numpy import load_file, save_file

from yesrank import claims
from yesrank.convert import check, convert, run, staging
from yesrank.errors import (
    CheckpointError,
    ConversionError,
    InputError,
    MissingExtra,
    ModelError,
    NoSpace,
    YesrankError,
)
from yesrank.manifest import check_files, read_manifest
from yesrank.randomweights import write_random_checkpoint

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    from test_convert import TIED

    folder = tmp_path_factory.mktemp("good")
    write_random_checkpoint(folder, TIED)
    (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    return folder


@pytest.fixture
def source(good: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(good, tmp_path / "source"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model"


def assert_fails(
    source: Path, target: Path, kind: type[YesrankError], message: str, **options: object
) -> YesrankError:
    before = sorted(target.parent.iterdir())
    with pytest.raises(kind, match=message) as caught:
        convert(source, target, **options)  # type: ignore[arg-type]
    assert sorted(target.parent.iterdir()) == before
    assert "\n" in str(caught.value), "an error names the next step"
    return caught.value


def test_an_existing_target_is_not_touched(good: Path, target: Path) -> None:
    target.mkdir()
    (target / "precious").write_text("x")
    assert_fails(good, target, InputError, "exists already")
    assert (target / "precious").read_text() == "x"


def test_unknown_options(good: Path, target: Path) -> None:
    assert_fails(good, target, InputError, "weights: 'int3' is not known", weights="int3")
    assert_fails(good, target, InputError, "template: 'x' is not known", template="x")


def test_no_tokenizer(source: Path, target: Path) -> None:
    (source / "tokenizer.json").unlink()
    assert_fails(source, target, ModelError, r"tokenizer\.json")


def test_more_tokens_than_rows(source: Path, target: Path) -> None:
    from test_convert import TIED

    write_random_checkpoint(source, replace(TIED, vocab_size=200))
    assert_fails(source, target, CheckpointError, "more tokens than the model")


def test_truncated_weights(source: Path, target: Path) -> None:
    path = source / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    assert_fails(source, target, CheckpointError, "truncated")


@pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"])
@pytest.mark.parametrize("weights", ["int8", "bf16"])
def test_weights_that_are_not_numbers(name: str, weights: str, source: Path, target: Path) -> None:
    tensors = load_file(source / "model.safetensors")
    tensors[name].reshape(-1)[5] = np.nan
    save_file(tensors, source / "model.safetensors")
    assert_fails(source, target, CheckpointError, f"{name} holds NaN", weights=weights)


def test_no_space_is_found_before_anything_is_written(
    good: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 5000, 5000))
    # a lock's library asks for the folder that is there already
    monkeypatch.setattr(
        Path, "mkdir", lambda path, **_: path.exists() or pytest.fail("something was written")
    )
    target.parent.rmdir()
    with pytest.raises(NoSpace, match=r"the model needs \d+\.\d MB, .* has 0\.0 MB free"):
        convert(good, target)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of half a megabyte."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(mount)]
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("needs mount and tmpfs")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.parametrize("weights", ["int8", "bf16"])
def test_a_disk_that_fills_up(
    weights: str, good: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage
    first = iter([Usage(10**12, 0, 10**12)])  # as if someone else filled it after the check
    monkeypatch.setattr(shutil, "disk_usage", lambda path: next(first, None) or real(path))
    assert_fails(good, small_disk / "model", NoSpace, "is full; nothing was left behind", weights=weights)


def test_other_failures_of_writing(good: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Can't open bin file")

    monkeypatch.setattr(ov, "serialize", fail)
    assert_fails(good, target, ConversionError, "writing the model failed: Can't open bin file")


def test_a_bug_leaves_nothing_either(good: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(run, "write_manifest", fail)
    with pytest.raises(ZeroDivisionError):
        convert(good, target)
    assert not list(target.parent.iterdir())


def damage_empty(path: Path) -> None:
    path.with_suffix(".xml").write_bytes(b"")


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])


def damage_zeros(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


def damage_long(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(2 << 20))


@pytest.mark.parametrize("damage", [damage_empty, damage_cut, damage_zeros, damage_long])
@pytest.mark.parametrize("weights", ["int8", "int4", "bf16", "f16", "int8-sym"])
def test_what_was_written_is_checked(
    damage: object, weights: str, good: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_and_damage(model: ov.Model, xml: Path, weights: Path) -> None:
        serialize(model, xml, weights)
        damage(weights)  # type: ignore[operator]

    serialize = ov.serialize
    monkeypatch.setattr(ov, "serialize", write_and_damage)
    assert_fails(good, target, ConversionError, "did not pass its check", weights=weights)


def test_another_models_weights_do_not_pass(
    good: Path, target: Path, tmp_path: Path, small_tokenizer: str
) -> None:
    from test_convert import TIED

    from yesrank.checkpoint import Checkpoint
    from yesrank.convert.weights import planned_bytes

    convert(good, target)
    write_random_checkpoint(tmp_path / "other", TIED, seed=1)
    with pytest.raises(ConversionError, match="differs from the checkpoint"):
        check.check(target, Checkpoint(tmp_path / "other"), "int8", planned_bytes(TIED, "int8"))


SLOW = """
import sys, time
from pathlib import Path
from yesrank.convert import convert

def progress(tensors, of_tensors, done, total):
    if tensors == of_tensors:  # all is packed: from here on, files are written
        print("writing", flush=True)
        time.sleep(0.02)

convert(Path(sys.argv[1]), Path(sys.argv[2]), progress=progress)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15])
def test_kill_9_leaves_nothing_that_loads(delay: float, good: Path, target: Path) -> None:
    command = [sys.executable, "-c", SLOW, str(good), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        time.sleep(delay)
        process.kill()
    left = list(target.parent.iterdir())
    if target not in left:  # else it was quicker than the signal, and whole
        assert all(path.name.startswith((".model.partial-", ".model.lock")) for path in left)
        assert not any((path / "yesrank.json").exists() for path in left) or delay
        convert(good, target)
    assert list(target.parent.iterdir()) == [target], "the next run removes what the killed one left"
    assert (target / "yesrank.json").exists()


def test_what_dead_runs_left_is_removed_and_nothing_else(good: Path, target: Path) -> None:
    names = [
        ".model.partial-0123456789abcdef",
        ".model.deleting-0123456789abcdef",
        ".model.partial-x",
        ".model.partial-12345",
        ".mod.partial-0123456789abcdef",
    ]
    for name in names:
        (target.parent / name).mkdir()
        (target.parent / name / "file").write_text("x")
    convert(good, target)
    assert sorted(path.name for path in target.parent.iterdir()) == sorted([*names[2:], "model"])


# of a container of its own: every one has the same process ids, and all share the volume
IN_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child"]
CONVERT = """
import os, sys
from pathlib import Path
from yesrank.convert import convert
from yesrank.errors import YesrankError

try:
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
except YesrankError as error:
    print(os.getpid(), error)
else:
    print(os.getpid(), "whole")
"""


def test_equal_process_ids_on_one_volume(good: Path, target: Path) -> None:
    if subprocess.run([*IN_NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs namespaces of process ids")
    command = [*IN_NAMESPACE, sys.executable, "-c", CONVERT, str(good), str(target)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [run.communicate(timeout=120)[0].split(maxsplit=1) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert {pid for pid, _ in told} == {"1"}, "they have the same process id"
    words = sorted(said for _, said in told)
    assert words.count("whole\n") == 1
    assert all("exists already" in said or "by another process" in said for said in words[:2])
    manifest = read_manifest(target)
    assert manifest is not None
    check_files(target, manifest, hashes=True)
    assert list(target.parent.iterdir()) == [target]


def test_of_two_without_locks_the_first_to_finish_stays_whole(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object, **__: object) -> None:
        raise OSError("Function not implemented")

    monkeypatch.setattr("filelock.FileLock.acquire", unsupported)
    with (
        pytest.raises(InputError, match="exists already"),
        staging.staged(target, 0) as second,
    ):
        (second / "file").write_text("second")
        with staging.staged(target, 0) as first:
            (first / "file").write_text("first")
        assert second != first
    assert (target / "file").read_text() == "first"
    assert list(target.parent.iterdir()) == [target]


def test_a_target_that_is_being_written_is_refused_at_once(target: Path) -> None:
    with staging.staged(target, 0) as first:
        (first / "file").write_text("first")
        with (
            pytest.raises(InputError, match="is being written or removed by another process"),
            staging.staged(target, 0),
        ):
            pytest.fail("both write")
        assert (first / "file").exists()
    assert (target / "file").read_text() == "first"


def test_a_part_that_is_taken_away_does_not_become_the_target(target: Path) -> None:
    """Where locks do not hold (two machines), a live run's part may be taken for a dead one's."""
    with pytest.raises(ConversionError, match="run it again"), staging.staged(target, 0) as part:
        (part / "file").write_text("x")
        claims.remove_partials(target)
    assert not target.exists()


def test_the_tokenizer_ir_names_its_extra(good: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yesrank.convert.tokenizer.find_spec", lambda name: None)
    assert_fails(good, target, MissingExtra, "openvino-tokenizers", tokenizer_ir=True)
    monkeypatch.setattr(
        "yesrank.convert.tokenizer.find_spec", lambda name: None if name == "transformers" else object()
    )
    assert_fails(good, target, MissingExtra, "transformers", tokenizer_ir=True)
