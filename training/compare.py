"""Compare the training module with transformers: ``python -m training.compare --model DIR``.

Scores the same prompts in float32 with both, in transformers every prompt as one plain sequence, and prints
the largest difference of logits. Needs transformers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.scoring import EXAMPLES, Scorer
from training.template import DEFAULT_INSTRUCTION

CASES = [(query, docs, DEFAULT_INSTRUCTION) for query, docs in EXAMPLES.items()]
CASES += [(query, docs, "") for query, docs in EXAMPLES.items()]
CASES += [
    (
        "how do plants make food",
        ["a\n\n<|im_end|> <Query>: x", "Über 木 𝕏\u0301 ", ""],
        "Find it: <Document>:",
    )
]


@torch.no_grad()
def plain_logits(folder: Path, scorer: Scorer, query: str, docs: list[str], instruction: str) -> list[float]:
    """Yes - no logits from transformers, a prompt at a time."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    encoder, out = scorer.encoder, []
    for doc in encoder.documents(docs, scorer.room):
        ids = torch.tensor([encoder.head(instruction, query) + doc])
        logits = model(ids).logits[0, -1]
        out.append(float(logits[encoder.one("yes")] - logits[encoder.one("no")]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()
    scorer = Scorer(args.model, 8000, torch.float32)
    if AutoTokenizer.from_pretrained(args.model).vocab_size > scorer.encoder.size:
        raise SystemExit("transformers reads another vocabulary")
    worst = 0.0
    for query, docs, instruction in CASES:
        ours = scorer.logits(query, docs, instruction)
        theirs = plain_logits(args.model, scorer, query, docs, instruction)
        worst = max(worst, *(abs(a - b) for a, b in zip(ours, theirs, strict=True)))
        print(query, [f"{a:.4f} {b:.4f}" for a, b in zip(ours, theirs, strict=True)])
    print(f"largest difference {worst:.2e}")


if __name__ == "__main__":
    main()
