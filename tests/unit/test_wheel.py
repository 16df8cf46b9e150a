"""The package as its wheel holds it, without the files that are put together at first use."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from yesrank import Reranker, errors
from yesrank.checkpoint import Checkpoint
from yesrank.convert import recipe
from yesrank.manifest import read_manifest
from yesrank.models import builtin
from yesrank.models.folder import builtin_checkpoint

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "src" / "yesrank" / "data" / "builtin"
FILES = ("openvino_model.bin", "onnx/model_int8.onnx")
MAIN = "from yesrank.cli.main import main; main()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import from, with the files that pyproject.toml does not leave out."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    target = tmp_path_factory.mktemp("wheel")
    for path in (ROOT / "src" / "yesrank").rglob("*"):
        name = path.relative_to(ROOT).as_posix()
        left_out = any(fnmatch(name, pattern) for pattern in settings["exclude"])
        if path.is_file() and not left_out and "__pycache__" not in name:
            place = target / name.removeprefix("src/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)
    assert not (target / "yesrank/data/builtin/openvino_model.bin").exists()
    return target


def run(wheel: Path, home: Path, *arguments: str, code: str = MAIN, **variables: str) -> tuple[int, str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "YESRANK_"))}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**kept, "PYTHONPATH": str(wheel), "HOME": str(home), "LOCALAPPDATA": str(home), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def logits(out: str) -> dict[int, float]:
    return {hit["index"]: hit["logit"] for hit in json.loads(out)["results"]}


def test_it_is_small(wheel: Path) -> None:
    """Before compression; as a wheel it is 17.9 MB."""
    assert sum(path.stat().st_size for path in wheel.rglob("*") if path.is_file()) < 24_500_000


@pytest.mark.parametrize("name", FILES)
def test_a_recipe_gives_the_very_file(name: str) -> None:
    packed = (SHIPPED / builtin.RECIPES / f"{Path(name).name}.recipe").read_bytes()
    made = b"".join(recipe.follow(packed, Checkpoint(builtin_checkpoint())))
    manifest = read_manifest(SHIPPED)
    assert manifest is not None
    assert hashlib.sha256(made).hexdigest() == manifest.files[name].sha256
    assert len(packed) < 110_000  # or a matrix was not found, and stands in the recipe as it is


def test_a_recipe_is_what_training_writes() -> None:
    name = FILES[0]
    file = (SHIPPED / name).read_bytes()
    packed = recipe.written(file, Checkpoint(builtin_checkpoint()))
    assert b"".join(recipe.follow(packed, Checkpoint(builtin_checkpoint()))) == file
    with pytest.raises(errors.ModelError, match="recipe"):
        list(recipe.follow(packed[:-100], Checkpoint(builtin_checkpoint())))


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")
class TestInstalled:
    DOCUMENTS = ("Bees make honey of nectar.", "Maple syrup is made of sap.")

    @pytest.mark.parametrize("engine", ["openvino", "onnx"])
    def test_the_same_scores_and_the_files_are_kept(self, wheel: Path, tmp_path: Path, engine: str) -> None:
        arguments = ("rerank", "--engine", engine, "--json", "honey", *self.DOCUMENTS)
        code, out, error = run(wheel, tmp_path, *arguments)
        assert code == 0, error
        with Reranker(engine=engine) as reranker:
            assert logits(out) == {hit.index: hit.logit for hit in reranker.rank("honey", self.DOCUMENTS)}
        made = list(tmp_path.rglob("openvino_model.bin"))
        assert len(made) == 1
        assert made[0].read_bytes() == (SHIPPED / "openvino_model.bin").read_bytes()
        first = made[0].stat().st_mtime_ns
        assert run(wheel, tmp_path, *arguments)[0] == 0
        assert made[0].stat().st_mtime_ns == first
        assert [path.name for path in made[0].parent.parent.iterdir() if path.name.startswith(".")] == []

    @pytest.mark.parametrize("damage", ["cut", "altered"])
    def test_a_damaged_copy_is_replaced(self, wheel: Path, tmp_path: Path, damage: str) -> None:
        assert run(wheel, tmp_path, "rerank", "honey", *self.DOCUMENTS)[0] == 0
        (file,) = tmp_path.rglob("openvino_model.bin")
        content = file.read_bytes()
        file.write_bytes(content[:1000] if damage == "cut" else bytes(1000) + content[1000:])
        code, _, error = run(wheel, tmp_path, "rerank", "honey", *self.DOCUMENTS)
        assert code == 0, error
        assert file.read_bytes() == content

    def test_a_cache_that_cannot_be_written(self, wheel: Path, tmp_path: Path) -> None:
        """/proc: nobody can make anything there. What was put together is gone when the process has ended."""
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        code, _, error = run(wheel, Path("/proc"), "rerank", "honey", *self.DOCUMENTS, TMPDIR=str(temporary))
        assert code == 0, error
        assert list(temporary.iterdir()) == []

    def test_two_at_once(self, wheel: Path, tmp_path: Path) -> None:
        command = [
            sys.executable,
            "-c",
            "from yesrank.models.folder import builtin_folder; print(builtin_folder())",
        ]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        both = [
            subprocess.Popen(
                command,
                env={**kept, "PYTHONPATH": str(wheel), "HOME": str(tmp_path)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        told = [process.communicate(timeout=60) for process in both]
        assert {out for out, _ in told} == {told[0][0]}, told
        folder = Path(told[0][0].strip())
        assert [path for path in folder.parent.iterdir() if path.name.startswith(".")] == []

    def test_where_openvino_and_onnx_are_not_installed_the_files_are_the_same(
        self, wheel: Path, tmp_path: Path
    ) -> None:
        """No library that writes such files is asked."""
        blocked = "import sys; sys.modules.update(dict.fromkeys(('openvino', 'onnx', 'onnxruntime'))); "
        code = f"{blocked}from yesrank.models.folder import builtin_folder; print(builtin_folder())"
        done, out, error = run(wheel, tmp_path, code=code)
        assert done == 0, error
        for name in FILES:
            assert (Path(out.strip()) / name).read_bytes() == (SHIPPED / name).read_bytes()

    def test_convert_takes_its_checkpoint(self, wheel: Path, tmp_path: Path) -> None:
        code, _, error = run(wheel, tmp_path, "convert", "builtin", str(tmp_path / "model"))
        assert code == 0, error
        assert (tmp_path / "model" / "openvino_model.bin").read_bytes() == (SHIPPED / FILES[0]).read_bytes()

    def test_a_damaged_package_says_so(self, wheel: Path, tmp_path: Path) -> None:
        damaged = tmp_path / "damaged"
        shutil.copytree(wheel, damaged, symlinks=True)
        place = damaged / "yesrank/data/builtin-checkpoint/model.safetensors"
        content = bytearray(place.read_bytes())
        content[5_000_000:5_000_100] = bytes(100)
        place.unlink()
        place.write_bytes(content)
        code, _, error = run(damaged, tmp_path / "home", "rerank", "honey", *self.DOCUMENTS)
        assert code == 1
        assert "install yesrank again" in error
        assert "Traceback" not in error
