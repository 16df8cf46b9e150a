"""What all contenders are asked in a round."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contenders import Contender
from scorers import MAX_LENGTH

from yesrank.bench import synthetic_documents
from yesrank.bench.documents import synthetic_query
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.tokens import PromptEncoder
from yesrank.types import Prompt


@dataclass(frozen=True)
class Request:
    """One round's query and documents. part: indices of those that slow contenders run. warm_up: not timed."""

    query: str
    documents: list[str]
    part: list[int]
    warm_up: list[str]

    def indices(self, contender: Contender) -> list[int]:
        """Which documents the contender is given."""
        return self.part if contender.slow else list(range(len(self.documents)))


def request_of(options: argparse.Namespace, number: int) -> Request:
    """Every round has its own texts. The part is spread evenly over the lengths."""
    documents = synthetic_documents(options.documents, options.words, seed=number)
    count = min(options.part, len(documents))
    by_length = sorted(range(len(documents)), key=lambda i: len(documents[i]))
    part = [by_length[int((step + 0.5) * len(documents) / count)] for step in range(count)]
    warm_up = synthetic_documents(options.warm_up, options.words, seed=1_000_003)
    return Request(synthetic_query(number), documents, part, warm_up)


def prompts_of(request: Request, indices: Sequence[int], folder: Path) -> list[Prompt]:
    """The token ids of some of its documents' prompts."""
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, request.query)
    documents = [request.documents[index] for index in indices]
    return PromptEncoder.from_folder(folder).prompts(around, documents, MAX_LENGTH)
