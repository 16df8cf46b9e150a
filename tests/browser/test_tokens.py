"""The library's token ids are Python's, on arbitrary Unicode."""

import json
import random
from pathlib import Path

import pytest
from conftest import REAL_TOKENIZER

from browser import golden, toolchain
from yesrank.models.folder import builtin_folder
from yesrank.tokens import PromptEncoder

COUNT = 2000


@pytest.mark.parametrize("name", ["built-in", "published"])
def test_prompts_are_those_of_python(node: str, web: Path, tmp_path: Path, name: str) -> None:
    tokenizer = builtin_folder() / "tokenizer.json" if name == "built-in" else REAL_TOKENIZER
    if not tokenizer.exists():
        pytest.skip(f"the published tokenizer is not at {tokenizer.parent}")
    encoder = PromptEncoder(tokenizer.read_text(encoding="utf-8"))
    seed = random.randrange(1 << 32)
    cases = list(golden.cases(encoder, seed, COUNT))
    assert any(case["truncated"] for case in cases)
    table = tmp_path / "golden.json"
    table.write_text(json.dumps(cases), encoding="utf-8")
    told = toolchain.run_node(node, toolchain.SCRIPTS / "tokens.mjs", str(tokenizer), str(table))
    assert told["cases"] == len(cases)
    assert told["answers"] == [encoder.answer_id("yes"), encoder.answer_id("no")]
    assert told["count"] == 0, f"seed {seed}: {told['different']}"
