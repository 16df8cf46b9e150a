"""One request for vectors: its inputs to prompts, and what the engine gave to the bytes of its answer."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Executor

import numpy as np

from yesrank.errors import InputError, TooLong
from yesrank.kinds import INSTRUCT
from yesrank.models.embedder import Embedder
from yesrank.prompt import Frame
from yesrank.serve.answering import SLOW_CHARACTERS, SLOW_DOCUMENTS, encode
from yesrank.serve.dialects.embedding import EmbedDialect
from yesrank.serve.embedrequests import EmbedRequest, EmbedResult, Input
from yesrank.serve.http.body import Refused
from yesrank.serve.settings import Settings
from yesrank.types import FloatArray, Prompt
from yesrank.vectors import check_dimensions, check_output

_CHUNK_INPUTS, _CHUNK_CHARACTERS = 256, 250_000
_CHARACTERS_A_TOKEN = 8
OTHER_TOKENIZER = (
    "send texts (langchain-openai: check_embedding_ctx_length=False), or ids of the model's own tokenizer"
)


def check_size(request: EmbedRequest, settings: Settings) -> None:
    """Raises Refused for more inputs or more text than one request may have."""
    if len(request.inputs) > settings.max_documents:
        raise Refused(
            413,
            f"{len(request.inputs)} inputs are more than the {settings.max_documents} of one request",
            "send fewer at a time",
        )
    if len(request.instruction or "") > settings.max_query_characters:
        raise Refused(
            413, f"the instruction is longer than {settings.max_query_characters} characters", "shorten it"
        )
    if characters(request) > settings.max_characters:
        raise Refused(
            413,
            f"the inputs are longer than {settings.max_characters} characters in all",
            "send fewer at a time",
        )


def characters(request: EmbedRequest) -> int:
    """Characters of all inputs; of token ids about as many."""
    return sum(len(each) * (1 if isinstance(each, str) else _CHARACTERS_A_TOKEN) for each in request.inputs)


def is_slow(request: EmbedRequest) -> bool:
    """Whether working on its text takes more than about a millisecond."""
    return len(request.inputs) > SLOW_DOCUMENTS or characters(request) > SLOW_CHARACTERS


def check_asked(embedder: Embedder, request: EmbedRequest) -> Frame:
    """What stands around its texts. Raises InputError for dimensions, types and purposes that the model has not."""
    full = embedder.folder.config.hidden_size
    if request.dimensions is not None:
        check_dimensions(request.dimensions, full)
    for output in request.outputs:
        check_output(output, request.dimensions or full)
    purpose = "query" if request.instruction is not None and request.purpose is None else request.purpose
    return embedder.frame_for(purpose, request.instruction)


async def tokenize(embedder: Embedder, request: EmbedRequest, executor: Executor) -> list[Prompt]:
    """One prompt an input, in order, in chunks that let other requests in between.

    Raises InputError, and for input[i] that does not fit TooLong, where request.truncate is False.
    """
    frame = check_asked(embedder, request)
    loop = asyncio.get_running_loop()
    prompts: list[Prompt] = []
    for begin, end in _chunks(request.inputs):
        prompts += await loop.run_in_executor(executor, _chunk, embedder, request, frame, begin, end)
    return prompts


def _chunks(inputs: tuple[Input, ...]) -> Iterator[tuple[int, int]]:
    begin = size = 0
    for index, each in enumerate(inputs):
        size += len(each)
        if index - begin == _CHUNK_INPUTS or (index > begin and size > _CHUNK_CHARACTERS):
            yield begin, index
            begin, size = index, len(each)
    yield begin, len(inputs)


def _chunk(embedder: Embedder, request: EmbedRequest, frame: Frame, begin: int, end: int) -> list[Prompt]:
    texts = [_text(embedder, at, request.inputs[at]) for at in range(begin, end)]
    if request.purpose == "query" and frame.head:
        texts, frames = _without_instructions(embedder, texts, frame)
    else:
        frames = [frame] * len(texts)
    prompts = []
    for text, each in zip(texts, frames, strict=True):
        prompts += embedder.prompts(
            [text], each, max_length=request.max_length, max_tokens=request.max_tokens
        )
    if not request.truncate:
        for at, prompt in enumerate(prompts, begin):
            if prompt.truncated:
                raise TooLong(
                    f"input[{at}]",
                    f"is longer than the {embedder.max_length} tokens that the model, or the request's limit, takes",
                    "shorten it, or ask for truncation",
                )
    return prompts


def _without_instructions(
    embedder: Embedder, texts: list[str], frame: Frame
) -> tuple[list[str], list[Frame]]:
    """Queries that came with a task before them keep that one, and get no second."""
    found = [INSTRUCT.match(text) for text in texts]
    frames = [frame if each is None else embedder.frame_for("query", each["instruction"]) for each in found]
    return [
        text if each is None else text[each.end() :] for text, each in zip(texts, found, strict=True)
    ], frames


def _text(embedder: Embedder, at: int, given: Input) -> str:
    if isinstance(given, str):
        return given
    text = embedder.text_of(given)
    if text is None:
        raise InputError(
            f"input[{at}]", "holds token ids that are not of this model's tokenizer", OTHER_TOKENIZER
        )
    return text


def render(
    dialect: EmbedDialect,
    request: EmbedRequest,
    embedder: Embedder,
    prompts: list[Prompt],
    hidden: FloatArray,
    request_id: str,
    model: str,
) -> bytes:
    """The body of the response. Raises EngineError for NaN."""
    rows = hidden if hidden.ndim == 2 else np.zeros((0, embedder.folder.config.hidden_size), np.float32)
    vectors = {
        output: embedder.vectors(rows, request.dimensions, output)
        for output in dict.fromkeys(request.outputs)
    }
    tokens = sum(map(len, prompts))
    result = EmbedResult(request_id, model, vectors, tokens, int(time.time()))
    return encode(dialect.render(request, result))
