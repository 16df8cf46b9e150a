"""Our folders in headless Chromium: with Transformers.js, and with the library. WASM and, where offered, WebGPU."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from browser import expected, programs, toolchain
from browser.expected import CARD_DOCUMENTS, DOCUMENTS, QUERY
from browser.site import Site
from browser.test_node import in_order, job

# a software adapter: slow, but the same kernels; it has no shader-f16
WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
# between onnxruntime of Python and of the browser on one file; int8 and q8 round activations in another way there
CLOSE = {"fp32": 1e-4, "fp16": 1e-2, "q4": 1e-3, "q4f16": 1e-2}
WEBGPU_CLOSE = 1e-3

Sites = Callable[[bool], Site]
Open = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def page(node: str, chromium: str, sites: Sites) -> Open:
    """Opens a page of the tests with something in its URL's fragment; gives what it tells."""

    def told(
        name: str, given: object, isolated: bool = False, flags: list[str] | None = None
    ) -> dict[str, Any]:
        url = f"{sites(isolated).url}/pages/{name}.html#{quote(json.dumps(given))}"
        return toolchain.run_page(node, chromium, url, flags)

    return told


@pytest.fixture(scope="session")
def webgpu(page: Open) -> list[str]:
    """Flags that make Chromium offer WebGPU."""
    support = page("webgpu", None, flags=WEBGPU)["result"]
    if not support["webgpu"]:
        pytest.skip("this Chromium offers no WebGPU adapter, not even in software")
    return WEBGPU


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["q4", "q8"])
def test_published_example(
    page: Open, folders: dict[str, Path], checkpoint: Path, dtype: str, threads: int
) -> None:
    program = programs.card("full", dtype, "wasm")
    told = page("transformers", {"program": program, "threads": threads}, isolated=threads > 1)["result"]
    assert told["isolated"] == (threads > 1)
    assert told["threads"] == threads
    _is_the_cards(told["last"], folders["full"], checkpoint, dtype, CLOSE.get(dtype, 0.02))


def test_published_example_on_webgpu(
    page: Open, folders: dict[str, Path], checkpoint: Path, webgpu: list[str]
) -> None:
    program = programs.card("full", "q4", "webgpu")
    told = page("transformers", {"program": program, "threads": 1}, flags=webgpu)["result"]
    _is_the_cards(told["last"], folders["full"], checkpoint, "q4", WEBGPU_CLOSE)


@pytest.mark.parametrize("head", ["full", "yesno"])
def test_transformers_js(page: Open, folders: dict[str, Path], checkpoint: Path, head: str) -> None:
    texts = programs.texts("card", QUERY, CARD_DOCUMENTS)
    program = programs.ours(head, "int8", "wasm", texts)
    told = page("transformers", {"program": program, "threads": 1})["result"]["last"]
    prompts = expected.prompts(checkpoint, "card", CARD_DOCUMENTS)
    assert [hit["ids"] for hit in told] == [list(prompt.ids) for prompt in prompts]
    _are_of_that_file([hit["logit"] for hit in told], folders[head], "int8", checkpoint, CARD_DOCUMENTS)


@pytest.mark.parametrize("threads", [1, 2])
def test_library(page: Open, sites: Sites, folders: dict[str, Path], checkpoint: Path, threads: int) -> None:
    dtypes = [*expected.FILES] if threads == 1 else ["fp32", "q8"]
    cases = [*(("yesno", dtype) for dtype in dtypes), ("full", "fp32"), ("full", "q4")]
    isolated = threads > 1
    jobs = [job(f"/models/{head}", dtype) for head, dtype in cases]
    for each in jobs:
        each["load"]["threads"] = threads
    told = page("library", jobs, isolated=isolated)["result"]
    for (head, dtype), each in zip(cases, told, strict=True):
        assert "error" not in each, each
        assert each["info"]["threads"] == threads
        assert each["info"]["head"] == head
        _are_of_that_file(in_order(each["ranking"]), folders[head], dtype, checkpoint)
        assert each["progress"]["loaded"] == each["progress"]["total"] == each["info"]["bytes"]


@pytest.mark.parametrize(("head", "dtype"), [("yesno", "fp32"), ("yesno", "q4"), ("full", "q4")])
def test_library_on_webgpu(
    page: Open, folders: dict[str, Path], checkpoint: Path, webgpu: list[str], head: str, dtype: str
) -> None:
    given = job(f"/models/{head}", dtype)
    given["load"]["device"] = "webgpu"
    [told] = page("library", [given], flags=webgpu)["result"]
    assert "error" not in told, told
    assert told["info"]["device"] == "webgpu"
    logits = expected.same_file(folders[head], dtype, expected.prompts(checkpoint))
    np.testing.assert_allclose(in_order(told["ranking"]), logits, rtol=0, atol=WEBGPU_CLOSE)


def test_device_that_cannot(page: Open, webgpu: list[str]) -> None:
    half = job("/models/yesno", "q4f16")
    half["load"]["device"] = "webgpu"
    support = page("webgpu", None, flags=webgpu)["result"]
    [told] = page("library", [half], flags=webgpu)["result"]
    if support["shaderF16"]:
        assert "error" not in told
    else:
        assert told["error"] == "DeviceError"
        assert "shader-f16" in told["message"]
        assert "q4" in told["hint"]


def test_no_webgpu(page: Open) -> None:
    given = job("/models/yesno", "q4")
    given["load"]["device"] = "webgpu"
    [told] = page("library", [given], flags=["--disable-features=WebGPU", "--disable-gpu"])["result"]
    assert told["error"] == "DeviceError"
    assert "WebGPU" in told["message"]
    assert "wasm" in told["hint"]


def _are_of_that_file(
    logits: list[float], folder: Path, dtype: str, checkpoint: Path, documents: tuple[str, ...] = DOCUMENTS
) -> None:
    """Python's from the same file; of files that round activations, as near to them as they are to the checkpoint's."""
    python = np.array(expected.same_file(folder, dtype, expected.prompts(checkpoint, "card", documents)))
    close = CLOSE.get(dtype)
    if close is None:
        drift = python - np.array(expected.reference(checkpoint, "card", documents))
        close = 3 * float(np.sqrt(np.mean(drift**2)))
        assert close < 0.5 * np.ptp(python), "a bound that any numbers would keep"
    np.testing.assert_allclose(logits, python, rtol=0, atol=close, err_msg=f"{folder.name} {dtype}")


def _is_the_cards(
    results: list[dict[str, Any]], folder: Path, checkpoint: Path, dtype: str, close: float
) -> None:
    prompts = expected.prompts(checkpoint, "onnx-card", CARD_DOCUMENTS)
    logits = np.array(expected.same_file(folder, dtype, prompts))
    order = np.argsort(-logits, kind="stable")
    assert [hit["doc"] for hit in results] == [CARD_DOCUMENTS[index] for index in order]
    scores = 1 / (1 + np.exp(-logits[order]))
    np.testing.assert_allclose([hit["score"] for hit in results], scores, rtol=0, atol=close)
