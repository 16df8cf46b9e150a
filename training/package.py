"""Put a trained folder into the package: ``python -m training.package --model FOLDER``.

FOLDER, from training.export, becomes ``data/builtin-checkpoint`` of the package as it is, and ``data/builtin`` is made
of it by yesrank's own converters: int8 for OpenVINO, and one ONNX file for the web page, in one folder. There are
recipes for both, since the wheel leaves them out.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert, convert_onnx
from yesrank.convert.recipe import written
from yesrank.manifest import FILE, Manifest, read_manifest, write_manifest
from yesrank.models.builtin import RECIPES

DATA = Path(__file__).parent.parent / "src" / "yesrank" / "data"
NAME = "yesrank-builtin-3"  # in the manifests, whatever FOLDER is called: mteb and reports show it
VARIANT = "int8"  # row by row: an outlier in one token does not coarsen the others


def manifest_of(folder: Path) -> Manifest:
    found = read_manifest(folder)
    assert found is not None
    return found


def merge(openvino: Path, onnx: Path) -> None:
    """Adds the ONNX files to the OpenVINO folder; config.json is the ONNX folder's, which says more."""
    one, other = manifest_of(openvino), manifest_of(onnx)
    for name in other.files:
        if name == "config.json" or name not in one.files:
            (openvino / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(onnx / name, openvino / name)
    write_manifest(openvino, replace(one, files={**one.files, **other.files}, onnx=other.onnx))


def write_recipes(folder: Path, source: Path) -> None:
    """For the large files, which are made of the checkpoint."""
    checkpoint = Checkpoint(source)
    (folder / RECIPES).mkdir(exist_ok=True)
    for name in ("openvino_model.bin", f"onnx/model_{VARIANT}.onnx"):
        recipe = folder / RECIPES / f"{Path(name).name}.recipe"
        recipe.write_bytes(written((folder / name).read_bytes(), checkpoint))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()
    checkpoint, target = DATA / "builtin-checkpoint", DATA / "builtin"
    licence = target / "LICENSE"
    with tempfile.TemporaryDirectory(dir=DATA) as work:
        source = Path(work) / NAME
        shutil.copytree(args.model, source)
        shutil.copyfile(licence, source / "LICENSE")
        openvino, onnx = Path(work) / "openvino", Path(work) / "onnx"
        convert(source, openvino, weights="int8")
        convert_onnx(source, onnx, variants=(VARIANT,))
        merge(openvino, onnx)
        write_recipes(openvino, source)
        for folder, place in ((source, checkpoint), (openvino, target)):
            shutil.rmtree(place, ignore_errors=True)
            folder.rename(place)
    for path in sorted(path for place in (checkpoint, target) for path in place.rglob("*") if path.is_file()):
        print(
            f"{path.stat().st_size:>10,} {path.relative_to(DATA)}{' (manifest)' if path.name == FILE else ''}"
        )


if __name__ == "__main__":
    main()
