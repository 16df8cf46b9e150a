"""Our folders in Node: with Transformers.js, and with the library."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import expected, programs, toolchain
from browser.conftest import VARIANTS
from browser.expected import CARD_DOCUMENTS, DOCUMENTS, QUERY
from yesrank import Reranker
from yesrank.convert.onnx import convert_onnx

# between onnxruntime of Python and of Node on one file: other versions of the same kernels
CLOSE = {"fp32": 1e-5, "fp16": 5e-3, "q4": 1e-4, "q4f16": 1e-2, "int8": 5e-3, "q8": 5e-3}


def run_program(node: str, web: Path, folder: Path, program: str) -> Any:
    """Runs a program that imports Transformers.js: what it logged last."""
    (folder / "node_modules").symlink_to(web / "node_modules")
    script = folder / "program.mjs"
    script.write_text(program, encoding="utf-8")
    guarded = ["--import", str(toolchain.SCRIPTS / "log.mjs")]
    return toolchain.run_node(node, script, cwd=folder, options=guarded)


def run_jobs(node: str, folder: Path, jobs: list[dict[str, Any]]) -> Any:
    file = folder / "jobs.json"
    file.write_text(json.dumps(jobs), encoding="utf-8")
    return toolchain.run_node(node, toolchain.SCRIPTS / "library.mjs", str(file))


def job(model: object, dtype: str, **options: Any) -> dict[str, Any]:
    return {
        "model": str(model),
        "load": {"dtype": dtype},
        "query": QUERY,
        "documents": DOCUMENTS,
        "options": options,
    }


def in_order(ranking: list[dict[str, Any]]) -> list[float]:
    return [hit["logit"] for hit in sorted(ranking, key=lambda hit: hit["index"])]


@pytest.mark.parametrize("dtype", ["q4", "q8"])
def test_published_example(
    node: str, web: Path, folders: dict[str, Path], checkpoint: Path, tmp_path: Path, dtype: str
) -> None:
    program = programs.card(str(folders["full"]), dtype, "cpu")
    results = run_program(node, web, tmp_path, program)
    prompts = expected.prompts(checkpoint, "onnx-card", CARD_DOCUMENTS)
    logits = expected.same_file(folders["full"], dtype, prompts)
    order = np.argsort(-np.array(logits), kind="stable")
    assert [hit["doc"] for hit in results] == [CARD_DOCUMENTS[index] for index in order]
    scores = [1 / (1 + np.exp(-logits[index])) for index in order]
    np.testing.assert_allclose([hit["score"] for hit in results], scores, rtol=0, atol=CLOSE[dtype])


@pytest.mark.parametrize("dtype", VARIANTS)
@pytest.mark.parametrize("head", ["full", "yesno"])
def test_transformers_js(
    node: str, web: Path, folders: dict[str, Path], checkpoint: Path, tmp_path: Path, head: str, dtype: str
) -> None:
    texts = programs.texts("card", QUERY, CARD_DOCUMENTS)
    told = run_program(node, web, tmp_path, programs.ours(str(folders[head]), dtype, "cpu", texts))
    prompts = expected.prompts(checkpoint, "card", CARD_DOCUMENTS)
    assert [hit["ids"] for hit in told] == [list(prompt.ids) for prompt in prompts]
    logits = expected.same_file(folders[head], dtype, prompts)
    np.testing.assert_allclose([hit["logit"] for hit in told], logits, rtol=0, atol=CLOSE[dtype])


def test_library(node: str, web: Path, folders: dict[str, Path], checkpoint: Path, tmp_path: Path) -> None:
    cases = [(head, dtype) for head in ("yesno", "full") for dtype in VARIANTS]
    told = run_jobs(node, tmp_path, [job(folders[head], dtype) for head, dtype in cases])
    prompts = expected.prompts(checkpoint)
    for (head, dtype), each in zip(cases, told, strict=True):
        assert "error" not in each, each
        assert each["info"]["head"] == head
        assert each["info"]["sharesPrefix"] == (dtype != "q8")
        logits = expected.same_file(folders[head], dtype, prompts)
        np.testing.assert_allclose(
            in_order(each["ranking"]), logits, atol=CLOSE[dtype], err_msg=f"{head} {dtype}"
        )
        given = [hit["logit"] for hit in each["ranking"]]
        assert given == sorted(given, reverse=True)
        assert [hit["document"] for hit in each["ranking"]] == [
            DOCUMENTS[hit["index"]] for hit in each["ranking"]
        ]
        assert each["tokens"] == sum(len(prompt.ids) for prompt in prompts)
        assert each["progress"]["loaded"] == each["progress"]["total"] == each["info"]["bytes"]


OWN = (
    '<|im_start|>system\nSay "yes" or "no".<|im_end|>\n<|im_start|>user\nQuestion: {query}\nTask: {instruction}\n'
    "Passage: {document}<|im_end|>\n<|im_start|>assistant\n{answer}"
)


def test_a_folder_with_a_template_of_its_own(node: str, web: Path, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    convert_onnx(checkpoint, folder, variants=("fp32",), template=OWN)
    file = folder / "yesrank.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "instruction": "Find the city."}))
    (told,) = run_jobs(node, tmp_path, [job(folder, "fp32")])
    with Reranker(folder) as reranker:
        logits = reranker.score([(QUERY, text) for text in DOCUMENTS]).logits
        other = reranker.score([(QUERY, text) for text in DOCUMENTS], instruction="Another.").logits
        assert told["info"]["template"] == reranker.template.name
    np.testing.assert_allclose(in_order(told["ranking"]), logits, rtol=0, atol=CLOSE["fp32"])
    assert np.abs(logits - other).max() > 100 * CLOSE["fp32"]
