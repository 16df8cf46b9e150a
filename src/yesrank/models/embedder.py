"""The public embedder: the reranker's tokens and engine, with other prompts, and vectors in place of answers."""

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from yesrank import vectors
from yesrank.embedding import DOCUMENT, QUERY
from yesrank.errors import EngineError, InputError
from yesrank.kinds import INSTRUCT
from yesrank.models import inputs
from yesrank.models.embedding_folder import EmbeddingFolder, open_embedding_model
from yesrank.models.engines import open_engine
from yesrank.models.held import unchanged
from yesrank.models.integrity import SMALL_FILES
from yesrank.models.jobs import reporter
from yesrank.prompt import Frame, check_not_blank
from yesrank.tokens import PromptEncoder
from yesrank.types import EngineInfo, FloatArray, Ids, Progress, Prompt
from yesrank.vectors import Vectors

_TEXTS_AT_A_TIME = 4096  # bounds the memory that token ids take in a long job


class Embedder:
    """Turns texts into vectors with a Qwen3-Embedding model. May be used from several threads.

    model: a converted folder, or a checkpoint with engine="reference". instruction: the default task of queries; None
    for the model's own. dimensions: of the vectors, 32 to the model's; None for all. max_length: tokens of a prompt
    with its text and end token; longer texts are cut at their end, as the model card does. sure: the folder is that of
    an embedding model, though nothing in it says so. device, precision, engine, variant, engine_options: as for
    Reranker.
    The attributes folder, instruction, dimensions and max_length say what is in use.

    Raises ModelError, InputError or EngineError, each with the next step to take.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        device: str = "CPU",
        precision: str = "auto",
        instruction: str | None = None,
        dimensions: int | None = None,
        max_length: int | None = None,
        engine: str | None = None,
        variant: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
        sure: bool = False,
    ) -> None:
        asked = None if instruction is None else inputs.text("instruction", instruction)
        path = Path(model).expanduser()
        with unchanged(path, SMALL_FILES):  # the engine sees to the large ones
            self.folder = open_embedding_model(path, sure=sure)
            self._recipe = self.folder.recipe
            self._recipe.query_prompt(asked)  # whether it has a place for one
            self.instruction = self.folder.instruction if asked is None else asked
            self._asked = asked
            self.max_length = _max_length(self.folder, max_length)
            full = self.folder.config.hidden_size
            if dimensions is not None:
                vectors.check_dimensions(dimensions, full)
            self.dimensions = full if dimensions is None else dimensions
            self._encoder = PromptEncoder.from_folder(path)
            self._encoder.check_control(self._recipe.before + self._recipe.after)
            self._engine = open_engine(
                self.folder,
                device=device,
                precision=precision,
                engine=engine,
                variant=variant,
                options=engine_options,
            )

    @property
    def info(self) -> EngineInfo:
        """What is really running."""
        return self._engine.info

    def encode_query(
        self,
        queries: str | Iterable[str],
        *,
        instruction: str | None = None,
        dimensions: int | None = None,
        output: str = "float32",
        progress: bool | Progress = False,
        as_text: bool = False,
    ) -> Vectors:
        """Vectors of queries, each with the task before it: [N, dimensions], or [dimensions] of a single string.

        instruction: the task, in one sentence; None for the embedder's own. A query that has a task before it already,
        as the model card writes it, keeps that one, with a warning; as_text: it is read as the text it is.
        dimensions, output, progress: as of `encode`. Raises InputError, which names the query, or EngineError.
        """
        single, found = _texts("queries", queries)
        for at, text in enumerate(found):
            check_not_blank(f"queries[{at}]", text)
        chosen = self._asked if instruction is None else inputs.text("instruction", instruction)
        frames = [self._query_frame(chosen)] * len(found)
        if not as_text:
            frames, found = self._taken_out(found, frames)
        return self._encode(found, frames, single, dimensions, output, progress)

    def encode_document(
        self,
        documents: str | Iterable[Any],
        *,
        dimensions: int | None = None,
        output: str = "float32",
        progress: bool | Progress = False,
    ) -> Vectors:
        """Vectors of documents, which Qwen3-Embedding reads as they are: as `encode_query`.

        documents: a string, or any iterable of strings or of dicts with a text and perhaps a title, which goes before
        it (docs/python.md).
        """
        single = isinstance(documents, str)
        found = inputs.documents([documents] if single else documents).texts
        frame = self._recipe.frame(self._recipe.prompt(DOCUMENT))
        return self._encode(found, [frame] * len(found), single, dimensions, output, progress)

    def encode(
        self,
        texts: str | Iterable[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        dimensions: int | None = None,
        output: str = "float32",
        progress: bool | Progress = False,
    ) -> Vectors:
        """Vectors of texts with what is put before them: [N, dimensions], or [dimensions] of a single string.

        prompt_name: one of the model's prompts, such as query; prompt: one of your own, read as text. Without either
        the model's default one, which is none for Qwen3-Embedding. dimensions: the first so many, normalised again;
        None for the embedder's own. output: float32, float16, int8, uint8, binary or ubinary (see vectors.stored).
        Equal texts are computed once. progress: True for a bar on stderr, or a callable that is told how many
        more texts are done. Raises InputError, which names the text, or EngineError.
        """
        if prompt is not None and prompt_name is not None:
            raise InputError("prompt", "is given beside a prompt_name", "give one of them")
        single, found = _texts("texts", texts)
        frame = (
            self._recipe.frame(self._recipe.prompt(prompt_name))
            if prompt is None
            else self._recipe.frame(inputs.text("prompt", prompt), trusted=False)
        )
        return self._encode(found, [frame] * len(found), single, dimensions, output, progress)

    def similarity(self, first: Vectors, second: Vectors) -> FloatArray:
        """The cosine of each vector of one with each of the other: float32 [N, M]; a single vector counts as one row.

        For float32, float16 and int8. Raises InputError for other types, whose numbers are no components, and where the
        two are of different dimensions.
        """
        one, other = (np.atleast_2d(np.asarray(each)) for each in (first, second))
        for each in (one, other):
            if each.dtype.kind != "f" and each.dtype != np.int8:
                raise InputError(
                    "vectors",
                    f"are of the type {each.dtype}",
                    "compare float32, float16 or int8; count the bits of others",
                )
        if one.shape[1] != other.shape[1]:
            raise InputError("vectors", f"have {one.shape[1]} and {other.shape[1]} dimensions")
        return vectors.cosines(one, other)

    def prompts(
        self,
        texts: Sequence[str],
        frame: Frame,
        *,
        max_length: int | None = None,
        max_tokens: int | None = None,
    ) -> list[Prompt]:
        """Text to token ids, for callers that batch on their own: the first half of `encode`.

        frame: one of `frame_for`. max_length: of a whole prompt, where that is less than the embedder's own;
        max_tokens: of the text alone. Raises InputError.
        """
        length = min(self.max_length, max_length or self.max_length)
        try:
            found = self._encoder.prompts(frame, texts, length, max_tokens)
        except InputError as error:
            raise InputError(
                "instruction",
                f"takes all of the {length} tokens of max_length with the end token: there is no room for a text",
                "shorten it, or raise max_length",
            ) from error
        if not all(len(prompt.own) for prompt in found):
            raise InputError("text", "is empty, and this model's tokenizer appends nothing")
        return found

    def frame_for(self, purpose: str | None, instruction: str | None = None) -> Frame:
        """What stands around a text. purpose: query, document, the name of another prompt, None for the default one.

        instruction: the task of queries. Raises InputError for a name that is not known, or an instruction elsewhere.
        """
        if purpose == QUERY:
            return self._query_frame(self._asked if instruction is None else instruction)
        if instruction is not None:
            raise InputError("instruction", "is for queries; documents are read as they are", "leave it out")
        return self._recipe.frame(self._recipe.prompt(purpose))

    def hidden(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """float32 [N, D], NaN and infinity included: for callers that check each row themselves. Raises EngineError."""
        return self._engine.encode(prompts, progress)

    def vectors(self, hidden: FloatArray, dimensions: int | None = None, output: str = "float32") -> Vectors:
        """The second half of `encode`: hidden states to vectors. Raises InputError; EngineError for NaN."""
        width = self._width(dimensions, output)
        if not np.isfinite(hidden).all():
            raise EngineError(
                f"the engine returned NaN or infinity for {int((~np.isfinite(hidden)).any(axis=1).sum())} texts",
                "the model folder may be damaged: yesrank verify FOLDER, or try --precision f32",
            )
        return vectors.stored(vectors.unit(hidden, width), output)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """Names the prefixes with which later prompts begin, for callers that batch on their own: see Engine.keep."""
        self._engine.keep(prefixes, begun)

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """Computes some of a prompt ahead, for callers that batch on their own: see Engine.begin."""
        return self._engine.begin(prompt, tokens)

    def text_of(self, ids: Sequence[int]) -> str | None:
        """The text of which these are the token ids, an end token or not; None for ids of another tokenizer."""
        return self._encoder.text_of(ids, self._recipe.after)

    def close(self) -> None:
        """Frees the weights and caches, after what is being computed."""
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
            f"<Embedder {source or self.folder.path.name}: {info.engine}, {info.device}, {info.precision}, "
            f"{self.dimensions} dimensions, max_length {self.max_length}>"
        )

    def _query_frame(self, instruction: str | None) -> Frame:
        prompt = self._recipe.query_prompt(instruction)
        return self._recipe.frame(prompt, trusted=instruction is None)

    def _taken_out(self, texts: list[str], frames: list[Frame]) -> tuple[list[Frame], list[str]]:
        """Queries that came with a task before them, without it, and with that task in their frame."""
        found = {at: taken for at, text in enumerate(texts) if (taken := INSTRUCT.match(text)) is not None}
        if not found or self._recipe.instruction is None:
            return frames, texts
        warnings.warn(
            f"{len(found)} of the queries have an instruction before them already: it is used, not a second one "
            "(as_text=True reads them as they are)",
            stacklevel=3,
        )
        frames, texts = [*frames], [*texts]
        for at, taken in found.items():
            frames[at], texts[at] = self._query_frame(taken["instruction"]), texts[at][taken.end() :]
        return frames, texts

    def _encode(
        self,
        texts: Sequence[str],
        frames: Sequence[Frame],
        single: bool,
        dimensions: int | None,
        output: str,
        progress: bool | Progress,
    ) -> Vectors:
        self._width(dimensions, output)
        places: dict[tuple[Frame, str], list[int]] = {}
        for at, key in enumerate(zip(frames, texts, strict=True)):
            places.setdefault(key, []).append(at)
        distinct = [*places]
        parts: list[Vectors] = []
        cut = 0
        with reporter(progress, len(texts), "embedding") as report:
            for begin in range(0, len(distinct), _TEXTS_AT_A_TIME):
                some = distinct[begin : begin + _TEXTS_AT_A_TIME]
                prompts = self._prompts_of(some)
                cut += sum(
                    len(places[key]) for key, prompt in zip(some, prompts, strict=True) if prompt.truncated
                )
                parts.append(self.vectors(self.hidden(prompts, report), dimensions, output))
                again = sum(len(places[key]) for key in some) - len(some)
                if report is not None and again:
                    report(again)
        if cut:
            warnings.warn(
                f"{cut} of {len(texts)} texts were cut to max_length, {self.max_length} tokens", stacklevel=3
            )
        if not parts:
            return self.vectors(np.zeros((0, self.folder.config.hidden_size), np.float32), dimensions, output)
        rows = np.empty(len(texts), np.int64)
        for row, key in enumerate(distinct):
            rows[places[key]] = row
        found: Vectors = np.concatenate(parts)[rows]
        return found[0] if single else found

    def _prompts_of(self, some: Sequence[tuple[Frame, str]]) -> list[Prompt]:
        """Of texts with their frames, in order; those of a frame are tokenised together."""
        by_frame: dict[Frame, list[int]] = {}
        for at, (frame, _) in enumerate(some):
            by_frame.setdefault(frame, []).append(at)
        found: dict[int, Prompt] = {}
        for frame, members in by_frame.items():
            found |= zip(members, self.prompts([some[at][1] for at in members], frame), strict=True)
        return [found[at] for at in range(len(some))]

    def _width(self, dimensions: int | None, output: str) -> int:
        """How many dimensions are asked for. Raises InputError."""
        if dimensions is not None:
            vectors.check_dimensions(dimensions, self.folder.config.hidden_size)
        width = self.dimensions if dimensions is None else dimensions
        vectors.check_output(output, width)
        return width


def _texts(field: str, values: object) -> tuple[bool, list[str]]:
    """Whether it is one string, and the texts. Raises InputError."""
    if isinstance(values, str):
        return True, [inputs.text(field, values)]
    return False, inputs.texts(field, values)


def _max_length(folder: EmbeddingFolder, asked: int | None) -> int:
    if asked is None:
        return folder.max_length
    if not 0 < asked <= folder.limit:
        raise InputError("max_length", f"must be 1 to {folder.limit} tokens for this model, not {asked}")
    return asked
