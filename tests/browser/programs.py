"""Programs that use Transformers.js: the published card's own, where it is at hand, and one of ours."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from yesrank.prompt import TEMPLATES, frame

_SEEDS = Path(__file__).parent.parent.parent.parent / "shared" / "seeds"
_OURS = Path(__file__).parent / "scripts" / "transformers.mjs"
INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"


def card(model: str, dtype: str, device: str) -> str:
    """The example of the published Transformers.js card with nothing changed but the model's place and device."""
    found = sorted(_SEEDS.glob("002*.txt"))
    if not found:
        pytest.skip(f"the published card is not in {_SEEDS}")
    text = found[0].read_text(encoding="utf-8")
    begin = text.index('import { AutoTokenizer, AutoModelForCausalLM } from "@huggingface/transformers";')
    end = text.index("await model.dispose();") + len("await model.dispose();")
    program = text[begin:end]
    for pattern, value in (("MODEL_ID = ", model), ("dtype: ", dtype), ("device: ", device)):
        program, count = re.subn(
            f'({pattern})"[^"]*"', lambda found, value=value: f'{found[1]}"{value}"', program
        )
        assert count == 1, f"the card has {count} places for {pattern}"
    return program


def ours(model: str, dtype: str, device: str, texts: Sequence[str]) -> str:
    """Our own program for the same purpose; prompts as one text, as the card has them."""
    program = _OURS.read_text(encoding="utf-8")
    for name, value in (("MODEL", model), ("DTYPE", dtype), ("DEVICE", device)):
        program = program.replace(f"${name}$", value)
    return program.replace("$PROMPTS$", json.dumps(list(texts)))


def texts(template: str, query: str, documents: Sequence[str]) -> list[str]:
    """Whole prompts as text."""
    around = frame(TEMPLATES[template], INSTRUCTION, query)
    return [around.prefix + around.head + around.piece(document) + around.suffix for document in documents]
