"""The public reranker: composes prompt, tokens, engine and head."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np

from yesrank import head
from yesrank.errors import EngineError, InputError
from yesrank.models import inputs, windows
from yesrank.models.background import Background
from yesrank.models.engines import open_engine
from yesrank.models.folder import ModelFolder, head_rows, model_path, open_model
from yesrank.models.held import unchanged
from yesrank.models.integrity import SMALL_FILES
from yesrank.models.jobs import RankJob, ScoreJob, checked, rank_job, reporter, score_job
from yesrank.models.windows import Windows
from yesrank.prompt import DEFAULT_INSTRUCTION, frame
from yesrank.templates import is_own
from yesrank.tokens import PromptEncoder
from yesrank.types import EngineInfo, FloatArray, Hit, Ids, PairScores, Progress, Prompt, Ranking

Document = str | Mapping[str, Any]
"""A text, or an object with a text and perhaps a title; see models/inputs."""
Pair = Iterable[Any]
"""(query, document)."""
_PAIRS_AT_A_TIME = 4096  # bounds the memory that token ids take in a long job


class Reranker:
    """Ranks documents by the probability that the model answers "yes". May be used from several threads.

    model: a converted folder, or None for the small built-in model. device: an OpenVINO device, or one of onnxruntime's
    (CPU, CUDA, COREML, DML, ...). precision of OpenVINO: auto, f32, bf16, int8 or w8a8 (docs/models-and-precision.md).
    instruction: the default one. max_length: tokens of a whole prompt; longer documents are cut, never the query.
    template: card, chat, onnx-card, a file or its text (docs/prompts.md). engine: openvino, onnx, or reference for the
    slow numpy engine on an unconverted checkpoint; None takes what the folder holds, OpenVINO first. variant: of ONNX
    files, such as q8 or q4; None for the best one for a CPU that is there. Naming a variant asks for onnx.
    engine vllm runs a checkpoint as it was published; engine_options are vLLM's own, by name (docs/vllm.md).
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
        template: str | Path | None = None,
        engine: str | None = None,
        variant: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        asked = None if instruction is None else inputs.text("instruction", instruction)
        path = model_path(model)
        with unchanged(path, SMALL_FILES):  # the engine sees to the large ones
            self.folder = open_model(path, template)
            self.template = self.folder.template
            own = DEFAULT_INSTRUCTION if self.folder.instruction is None else self.folder.instruction
            self._instruction = own if asked is None else asked
            self.max_length = _max_length(self.folder, max_length)
            self._encoder = PromptEncoder.from_folder(self.folder.texts)
            if is_own(self.template):
                self._encoder.check_template(self.template)
            self._engine = open_engine(
                self.folder,
                device=device,
                precision=precision,
                engine=engine,
                variant=variant,
                options=engine_options,
            )
            self._rows = head_rows(self.folder, self._engine)
        self._background = Background()

    @property
    def info(self) -> EngineInfo:
        """What is really running."""
        return self._engine.info

    def rank(
        self,
        query: str,
        documents: Iterable[Document],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        threshold: float | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
        long: str = windows.CUT,
        max_passages: int | None = None,
    ) -> Ranking:
        """Documents in descending order of their logit; ties keep the order given.

        documents: any iterable of strings, or of dicts with a text and perhaps a title, which goes before it
        (docs/python.md). top_n: how many to return, None or 0 for all. threshold: the least score that is returned,
        0 to 1. progress: True for a bar on stderr, or a callable that is told how many more documents are done.
        instruction: instead of the reranker's own. A query and documents that are in the model's template already are
        taken out of it, with a warning (docs/prompts.md); as_text: read them as the text they are.
        long: what is done with a document that is longer than max_length: "cut" its end off, or "best-passage": it is
        judged in overlapping windows, max_passages at most, and has the score of the best, which the hit names.
        Raises InputError, which names the field, or EngineError.
        """
        job = rank_job(
            query, documents, instruction, top_n, threshold, as_text=as_text, template=self.template
        )
        most = windows.check_long(long, max_passages)
        with reporter(progress, len(job.given)) as report:
            return self._rank(job, report, long, most)

    async def arank(
        self,
        query: str,
        documents: Iterable[Document],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        threshold: float | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
        long: str = windows.CUT,
        max_passages: int | None = None,
    ) -> Ranking:
        """As `rank`, on a thread of the reranker's own; one call after the other. `progress` is called there.

        The documents are read at once, on the caller's thread. Cancelled, it is not begun, or ends after the documents
        that are being computed.
        """
        job = rank_job(
            query, documents, instruction, top_n, threshold, as_text=as_text, template=self.template
        )
        most = windows.check_long(long, max_passages)
        with reporter(progress, len(job.given)) as report:
            return await self._background.run(
                lambda check: self._rank(job, checked(check, report), long, most)
            )

    def score(
        self,
        pairs: Iterable[Pair],
        *,
        instruction: str | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
    ) -> PairScores:
        """(query, document) pairs of any number of queries, scored in the order given.

        Neighbours with the same query share its computation. progress: True for a bar on stderr, or a callable that is
        told how many more pairs are done. as_text, documents: as of `rank`; pairs may bring an instruction each.
        Raises InputError, which names the pair, or EngineError.
        """
        job = score_job(pairs, instruction, as_text=as_text, template=self.template)
        with reporter(progress, len(job.queries)) as report:
            return self._score(job, report)

    async def ascore(
        self,
        pairs: Iterable[Pair],
        *,
        instruction: str | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
    ) -> PairScores:
        """As `score`, in the way of `arank`."""
        job = score_job(pairs, instruction, as_text=as_text, template=self.template)
        with reporter(progress, len(job.queries)) as report:
            return await self._background.run(lambda check: self._score(job, checked(check, report)))

    @overload
    def predict(
        self,
        pairs: tuple[str, str],
        *,
        activation: str = "sigmoid",
        instruction: str | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
    ) -> np.float32: ...

    @overload
    def predict(
        self,
        pairs: Iterable[Pair],
        *,
        activation: str = "sigmoid",
        instruction: str | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
    ) -> FloatArray: ...

    def predict(
        self,
        pairs: Iterable[Pair] | tuple[str, str],
        *,
        activation: str = "sigmoid",
        instruction: str | None = None,
        progress: bool | Progress = False,
        as_text: bool = False,
    ) -> FloatArray | np.float32:
        """The numbers of `score` alone: float32 [N]; one number for a single pair.

        activation: "sigmoid" for scores, 0 to 1, or "identity" for logits. Raises as `score`.
        """
        if activation not in ("sigmoid", "identity"):
            raise InputError("activation", f"{activation!r} is not known", "use sigmoid or identity")
        single = inputs.is_pair(pairs)
        job = score_job([pairs] if single else pairs, instruction, as_text=as_text, template=self.template)
        with reporter(progress, len(job.queries)) as report:
            found = self._score(job, report)
        numbers = found.scores if activation == "sigmoid" else found.logits
        return np.float32(numbers[0]) if single else numbers

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
        chosen = self._instruction if instruction is None else inputs.text("instruction", instruction)
        around = frame(self.template, chosen, inputs.question("query", query))
        if max_query_tokens is not None:
            self._encoder.check_query(query, max_query_tokens)
        length = min(self.max_length, max_length or self.max_length)
        return self._encoder.prompts(around, documents, length, max_document_tokens)

    def logits(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """float32 [N], NaN and infinity included: for callers that check each row themselves. Raises EngineError."""
        return head.logits(self._engine.encode(prompts, progress), self._rows)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """Names the prefixes with which later prompts begin, for callers that batch on their own: see Engine.keep."""
        self._engine.keep(prefixes, begun)

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """Computes a long prompt in pieces, for callers that batch on their own: see Engine.begin."""
        return self._engine.begin(prompt, tokens)

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
        """Frees the weights and caches, after what is being computed. What waits in `arank` and `ascore` is dropped."""
        self._background.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        info, source = self.info, self.folder.manifest and self.folder.manifest.source
        return (
            f"<Reranker {source or self.folder.path.name}: {info.engine}, {info.device}, {info.precision}, "
            f"template {self.template.name}, max_length {self.max_length}>"
        )

    def windows(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        max_document_tokens: int | None = None,
        max_length: int | None = None,
        max_query_tokens: int | None = None,
        most: int | None = None,
    ) -> Windows:
        """As `prompts`, but a document that is too long in windows, `most` of them at most."""
        limits: dict[str, Any] = {"max_length": max_length, "max_query_tokens": max_query_tokens}
        whole = self.prompts(
            query, documents, instruction=instruction, max_document_tokens=max_document_tokens, **limits
        )
        chosen = self._instruction if instruction is None else instruction
        around = frame(self.template, chosen, query)
        length = min(self.max_length, max_length or self.max_length)
        if max_document_tokens is not None and whole:
            fixed = self._encoder.prompts(around, [""], length)[0]
            length = min(length, len(fixed) + max_document_tokens)
        return windows.split(
            whole,
            documents,
            lambda document: self._encoder.windows(around, document, length),
            lambda texts: self._encoder.prompts(around, texts, length),
            most,
        )

    def _rank(self, job: RankJob, report: Progress | None, long: str, most: int | None) -> Ranking:
        if long == windows.BEST:
            parts = self.windows(job.query, job.documents, instruction=job.instruction, most=most)
        else:
            parts = windows.whole(self.prompts(job.query, job.documents, instruction=job.instruction))
        every, _ = self.judge(parts.prompts, parts.by_document(report))
        best = parts.best(every)
        logits = every[best]
        scores = head.scores(logits)
        order = np.argsort(-logits, kind="stable")
        if job.threshold is not None:
            order = order[scores[order] >= job.threshold]
        hits = tuple(
            Hit(
                int(i),
                float(scores[i]),
                float(logits[i]),
                int(i) in parts.cut,
                job.texts[i],
                job.given[i],
                windows.within(job.texts[i], job.documents[i], parts.spans[best[i]]),
            )
            for i in order[: job.top_n]
        )
        return Ranking(hits, tokens=sum(len(prompt) for prompt in parts.prompts))

    def _score(self, job: ScoreJob, report: Progress | None) -> PairScores:
        results: list[tuple[FloatArray, FloatArray]] = []
        truncated: list[bool] = []
        tokens = 0
        for begin in range(0, len(job.queries), _PAIRS_AT_A_TIME):
            part = slice(begin, begin + _PAIRS_AT_A_TIME)
            prompts = [*self._by_query(job.queries[part], job.documents[part], job.instructions[part])]
            results.append(self.judge(prompts, report))
            truncated += [prompt.truncated for prompt in prompts]
            tokens += sum(len(prompt) for prompt in prompts)
        logits, scores = (
            (np.concatenate(column) for column in zip(*results, strict=True)) if results else _EMPTY
        )
        return PairScores(scores, logits, tuple(truncated), tokens)

    def _by_query(
        self, queries: Sequence[str], documents: Sequence[str], instructions: Sequence[str | None]
    ) -> Iterator[Prompt]:
        asked = [*zip(queries, instructions, strict=True)]
        for (query, instruction), indices in groupby(range(len(queries)), asked.__getitem__):
            yield from self.prompts(query, [documents[index] for index in indices], instruction=instruction)


_EMPTY = (np.zeros(0, np.float32), np.zeros(0, np.float32))


def _max_length(folder: ModelFolder, asked: int | None) -> int:
    if asked is None:
        return folder.max_length
    if not 0 < asked <= folder.limit:
        raise InputError("max_length", f"must be 1 to {folder.limit} tokens for this model, not {asked}")
    return asked
