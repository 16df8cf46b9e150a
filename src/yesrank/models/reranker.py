"""The public reranker: composes prompt, tokens, engine and head."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from yesrank import head
from yesrank.errors import EngineError, InputError
from yesrank.models.engines import open_engine
from yesrank.models.folder import ModelFolder, head_rows, open_model
from yesrank.prompt import DEFAULT_INSTRUCTION, frame, template_named
from yesrank.rendered import Plain, plain
from yesrank.tokens import PromptEncoder
from yesrank.types import EngineInfo, FloatArray, Hit, Ids, PairScores, Progress, Prompt, Ranking

_PAIRS_AT_A_TIME = 4096  # bounds the memory that token ids take in a long job


class Reranker:
    """Ranks documents by the probability that the model answers "yes". May be used from several threads.

    model: a converted folder, or None for the small built-in model. device: an OpenVINO device, or one of onnxruntime's
    (CPU, CUDA, COREML, DML, ...). precision of OpenVINO: auto, f32, bf16, int8 or w8a8 (docs/models-and-precision.md).
    instruction: the default one. max_length: tokens of a whole prompt; longer documents are cut, never the query.
    template: card, chat or onnx-card. engine: openvino, onnx, or reference for the slow numpy engine on an unconverted
    checkpoint; None takes what the folder holds, OpenVINO first. variant: of ONNX files, such as q8 or q4; None for the
    best one for a CPU that is there. Naming a variant asks for onnx.
    The attributes folder, template and max_length say what is in use.

    Raises ModelError, InputError or EngineError, each with the next step to take.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        device: str = "CPU",
        precision: str = "auto",
        instruction: str | None = None,
        max_length: int | None = None,
        template: str | None = None,
        engine: str | None = None,
        variant: str | None = None,
    ) -> None:
        self.folder = open_model(model)
        self.template = template_named(template) if template else self.folder.template
        self._instruction = DEFAULT_INSTRUCTION if instruction is None else _text("instruction", instruction)
        self.max_length = _max_length(self.folder, max_length)
        self._encoder = PromptEncoder.from_folder(self.folder.path)
        self._engine = open_engine(
            self.folder, device=device, precision=precision, engine=engine, variant=variant
        )
        self._rows = head_rows(self.folder, self._engine)

    @property
    def info(self) -> EngineInfo:
        """What is really running."""
        return self._engine.info

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
    ) -> Ranking:
        """Documents in descending order of their logit; ties keep the order given.

        top_n: how many to return, None or 0 for all. progress: True for a bar on stderr, or a callable that is told how
        many more documents are done. instruction: instead of the reranker's own. A query and documents
        that are in the model's template already are taken out of it, with a warning (docs/prompts.md); as_text: read
        them as the text they are. Raises InputError, which names the field, or EngineError.
        """
        if top_n is not None and (not isinstance(top_n, int) or top_n < 0):
            raise InputError("top_n", f"must be a whole number of 0 or more, not {top_n!r}")
        texts = _texts("documents", documents)
        read = _plain([_text("query", query)], texts, instruction, as_text=as_text)
        [own] = read.instructions
        prompts = self.prompts(read.queries[0], read.documents, instruction=own or instruction)
        with _reporter(progress, len(prompts)) as report:
            logits, scores = self.judge(prompts, report)
        order = np.argsort(-logits, kind="stable")[: top_n or None]
        hits = tuple(
            Hit(int(i), float(scores[i]), float(logits[i]), prompts[i].truncated, texts[i]) for i in order
        )
        return Ranking(hits, tokens=sum(len(prompt) for prompt in prompts))

    def score(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
    ) -> PairScores:
        """(query, document) pairs of any number of queries, scored in the order given.

        Neighbours with the same query share its computation. progress: True for a bar on stderr, or a callable that is
        told how many more pairs are done. as_text: as of `rank`; pairs may bring an instruction each.
        Raises InputError, which names the pair, or EngineError.
        """
        read = _plain(*_pairs(pairs), instruction, as_text=as_text)
        queries, documents = read.queries, read.documents
        instructions = [instruction if own is None else own for own in read.instructions]
        results: list[tuple[FloatArray, FloatArray]] = []
        truncated: list[bool] = []
        tokens = 0
        with _reporter(progress, len(queries)) as report:
            for begin in range(0, len(queries), _PAIRS_AT_A_TIME):
                part = slice(begin, begin + _PAIRS_AT_A_TIME)
                prompts = [*self._by_query(queries[part], documents[part], instructions[part])]
                results.append(self.judge(prompts, report))
                truncated += [prompt.truncated for prompt in prompts]
                tokens += sum(len(prompt) for prompt in prompts)
        logits, scores = (
            (np.concatenate(column) for column in zip(*results, strict=True)) if results else _EMPTY
        )
        return PairScores(scores, logits, tuple(truncated), tokens)

    def prompts(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        max_document_tokens: int | None = None,
        max_length: int | None = None,
        max_query_tokens: int | None = None,
    ) -> list[Prompt]:
        """The first half of `rank`, for callers that batch on their own: text to token ids, each text as it is.

        max_document_tokens cuts each document to so many of its own tokens, max_length to what it leaves of a whole
        prompt, where that is less than the reranker's own. A query of more than max_query_tokens is an error: none is
        ever cut. Raises InputError.
        """
        chosen = self._instruction if instruction is None else _text("instruction", instruction)
        around = frame(self.template, chosen, _text("query", query))
        if max_query_tokens is not None:
            self._encoder.check_query(query, max_query_tokens)
        length = min(self.max_length, max_length or self.max_length)
        return self._encoder.prompts(around, documents, length, max_document_tokens)

    def logits(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """float32 [N], NaN and infinity included: for callers that check each row themselves. Raises EngineError."""
        return head.logits(self._engine.encode(prompts, progress), self._rows)

    def keep(self, prefixes: Collection[Ids]) -> None:
        """Names the prefixes with which later prompts begin, for callers that batch on their own: see Engine.keep."""
        self._engine.keep(prefixes)

    def judge(
        self, prompts: Sequence[Prompt], progress: Progress | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """The second half of `rank`: (logits, scores), float32 [N] each. Raises EngineError, also for NaN."""
        logits = self.logits(prompts, progress)
        if not np.isfinite(logits).all():
            raise EngineError(
                f"the engine returned NaN or infinity for {int((~np.isfinite(logits)).sum())} documents",
                "the model folder may be damaged: yesrank verify FOLDER, or try --precision f32",
            )
        return logits, head.scores(logits)

    def close(self) -> None:
        """Frees the weights and caches."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _by_query(
        self, queries: Sequence[str], documents: Sequence[str], instructions: Sequence[str | None]
    ) -> Iterator[Prompt]:
        asked = [*zip(queries, instructions, strict=True)]
        for (query, instruction), indices in groupby(range(len(queries)), asked.__getitem__):
            yield from self.prompts(query, [documents[index] for index in indices], instruction=instruction)


_EMPTY = (np.zeros(0, np.float32), np.zeros(0, np.float32))


def _plain(queries: list[str], documents: list[str], instruction: str | None, *, as_text: bool) -> Plain:
    """The texts to be judged, and a warning of what is not as it came."""
    if as_text:
        return Plain((*queries,), (*documents,), (None,) * len(queries))
    asked = None if instruction is None else _text("instruction", instruction)
    read = plain(queries, documents, instruction=asked)
    for note in read.notes:
        warnings.warn(note, stacklevel=3)
    return read


def _max_length(folder: ModelFolder, asked: int | None) -> int:
    if asked is None:
        return folder.max_length
    if not 0 < asked <= folder.limit:
        raise InputError("max_length", f"must be 1 to {folder.limit} tokens for this model, not {asked}")
    return asked


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(field, f"must be a string, not {type(value).__name__}")
    return value


def _texts(field: str, values: object) -> list[str]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InputError(field, f"must be a list of strings, not {type(values).__name__}")
    return [_text(f"{field}[{index}]", value) for index, value in enumerate(values)]


def _pairs(pairs: object) -> tuple[list[str], list[str]]:
    if isinstance(pairs, str) or not isinstance(pairs, Sequence):
        raise InputError("pairs", f"must be a list of (query, document), not {type(pairs).__name__}")
    for index, pair in enumerate(pairs):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"pairs[{index}]", "must be (query, document)")
    queries = _texts("pairs: query", [pair[0] for pair in pairs])
    return queries, _texts("pairs: document", [pair[1] for pair in pairs])


def _reporter(progress: bool | Progress, total: int) -> AbstractContextManager[Callable[[int], None] | None]:
    if not isinstance(progress, bool):
        return nullcontext(progress)
    if not progress:
        return nullcontext(None)
    from yesrank.models.progress import bar

    return bar("scoring", total)
