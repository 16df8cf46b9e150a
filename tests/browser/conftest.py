"""What the tests share: Node, Chromium, the built library, converted folders, and a web server with all of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from browser import toolchain
from browser.site import Site, serving
from yesrank.models.folder import builtin_folder
from yesrank.qwen3 import Qwen3Config
from yesrank.randomweights import write_random_checkpoint

VARIANTS = ("fp32", "fp16", "q8", "int8", "q4", "q4f16")


@pytest.fixture(scope="session")
def node() -> str:
    return toolchain.find_node()


@pytest.fixture(scope="session")
def chromium(node: str) -> str:
    return toolchain.find_chromium()


@pytest.fixture(scope="session")
def web(node: str) -> Path:
    """web/ with its packages and the built library in dist/."""
    return toolchain.build_library()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the built-in model's shape, with its tokenizer."""
    folder = tmp_path_factory.mktemp("checkpoint")
    config = Qwen3Config.from_folder(builtin_folder())
    write_random_checkpoint(folder, replace(config, rope_theta=1e6), tokenizer=builtin_folder(), seed=3)
    return folder


@pytest.fixture(scope="session")
def folders(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The checkpoint as `yesrank convert --format onnx` makes it, by head."""
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    from yesrank.convert.onnx import convert_onnx

    target = tmp_path_factory.mktemp("onnx")
    for head in ("yesno", "full"):
        convert_onnx(checkpoint, target / head, variants=VARIANTS, head=head)
    return {head: target / head for head in ("yesno", "full")}


@pytest.fixture(scope="session")
def sites(web: Path, folders: dict[str, Path]) -> Iterator[Callable[[bool], Site]]:
    """A server of models and library; the argument says whether its pages are cross-origin isolated."""
    with ExitStack() as stack:
        made: dict[bool, Site] = {}

        def site(isolated: bool) -> Site:
            if isolated not in made:
                roots = {
                    "models": folders["full"].parent,
                    "dist": web / "dist",
                    "node_modules": web / "node_modules",
                    "pages": Path(__file__).parent / "pages",
                }
                made[isolated] = stack.enter_context(serving(Site(roots, isolated=isolated)))
            return made[isolated]

        yield site


def manifest(folder: Path) -> dict[str, object]:
    """yesrank.json of a folder."""
    found: dict[str, object] = json.loads((folder / "yesrank.json").read_text(encoding="utf-8"))
    return found
