"""Frames and documents -> Prompt. Cuts the document only; user text never becomes control tokens."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakValueDictionary

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel

from yesrank.errors import InputError, ModelError, TooLong
from yesrank.filekinds import in_place_of
from yesrank.prompt import Frame, Template
from yesrank.types import Ids, Prompt

MODEL_CARD_MAX_LENGTH = 8192
_CHARACTERS_A_TOKEN = 8  # more than in most texts
_LEAST_CHARACTERS = 512  # longer than anything in a text that hangs together, such as marks upon marks
_PATIENCE = 2
_OVERLAP, _SPARE = (
    256,
    8,
)  # tokens; the latter for a word that begins earlier, and for cuts that make other tokens
_LETTER = r"[^\W\d_]"
_CONTROL_TOKEN = re.compile(r"<\|[^<>|\s]+\|>|</?think>")
_GAP = re.compile(
    f"(?<={_LETTER})(?=[ ,.;:。，、；：！？]{_LETTER})"
)  # between two words: a new piece begins


class PromptEncoder:
    """Turns text into ids with two tokenizers made from the same tokenizer.json.

    Control text is encoded with the added tokens, user text without them: a document that contains
    `<|im_end|>` is text to be judged, not the end of the turn.
    """

    def __init__(self, tokenizer_json: str) -> None:
        """tokenizer_json: the content of a tokenizer.json. Raises ModelError where it cannot be read."""
        try:
            self._control = _bare(tokenizer_json)
            self._user = _without_added_tokens(self._control)
        except Exception as error:  # tokenizers raises plain Exception
            raise ModelError(f"tokenizer.json cannot be read: {error}") from error
        self._prefixes: WeakValueDictionary[tuple[str, str], Ids] = WeakValueDictionary()

    @classmethod
    def from_folder(cls, folder: Path) -> "PromptEncoder":
        """The encoder of a model folder. Raises ModelError where tokenizer.json is missing or broken."""
        path = folder / "tokenizer.json"
        try:
            data = path.read_bytes()
            if found := in_place_of(path):
                raise ModelError(f"{path} is {found[0]}", found[1])
            return cls(data.decode(json.detect_encoding(data)))
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"{folder} has no readable tokenizer.json: {error}",
                "download the checkpoint's tokenizer.json into the folder",
            ) from error

    def answer_id(self, word: str) -> int:
        """The id of an answer such as "yes". Raises ModelError where it is not exactly one token."""
        ids = self._user.encode(word).ids
        if len(ids) != 1:
            raise ModelError(f"the tokenizer spells {word!r} with {len(ids)} tokens; a reranker's has one")
        return int(ids[0])

    def control_id(self, token: str) -> int | None:
        """The id of a control token, None where there is no such."""
        found = self._control.token_to_id(token)
        return None if found is None else int(found)

    def prompts(
        self,
        frame: Frame,
        documents: Sequence[str],
        max_length: int,
        max_document_tokens: int | None = None,
    ) -> list[Prompt]:
        """One Prompt a document, in order, each at most max_length ids; only documents are cut.

        max_document_tokens: cut each document to so many of its own tokens as well.
        Raises TooLong where prefix, instruction, query and suffix alone leave no room for a document.
        """
        prefix = self._prefix(frame)
        suffix = self._control.encode(frame.suffix).ids
        room = max_length - len(prefix) - len(suffix)
        if room < 1:
            raise TooLong(
                "query",
                f"instruction and query take {len(prefix) + len(suffix)} tokens of max_length {max_length}, "
                "which leaves no room for a document",
                "shorten the query or the instruction, or raise max_length",
            )
        if max_document_tokens is not None:
            room = min(room, max(1, max_document_tokens))
        bodies = self._encode_documents([frame.piece(document) for document in documents], room)
        return [Prompt(prefix, Ids([*body[:room], *suffix]), len(body) > room) for body in bodies]

    def windows(self, frame: Frame, document: str, max_length: int) -> list[tuple[int, int]]:
        """(start, end) of overlapping parts of a document, in characters, each of which fits into a prompt.

        They begin and end between words where there are any, and share a quarter of their tokens, 256 at most: a
        sentence that lies across the end of one is whole in the next.
        """
        room = max_length - len(self._prefix(frame)) - len(self._control.encode(frame.suffix).ids) - _SPARE
        room = max(1, room)
        step = room - min(room // 4, _OVERLAP)
        places = self._user.encode(_without_surrogates(document)).offsets
        found: list[tuple[int, int]] = []
        for first in range(0, max(1, len(places) - (room - step)), step):
            start = _word_start(document, places, first)
            end = len(document) if first + room >= len(places) else places[first + room - 1][1]
            part = document[start:end]
            found.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip())))
        return found

    def check_template(self, template: Template) -> None:
        """Raises InputError for text that this tokenizer does not give back as it is.

        A control token that it does not know would be spelt out, letter by letter, and say nothing to the model.
        """
        known = {token.content for token in self._control.get_added_tokens_decoder().values()}
        for token in _CONTROL_TOKEN.findall(template.prefix + template.suffix):
            if token not in known:
                raise InputError(
                    "template",
                    f"{token} is no token of this model",
                    "write the control tokens of the model's own chat template",
                )
        for text, tokenizer in (
            (template.prefix, self._control),
            (template.head, self._user),
            (template.suffix, self._control),
        ):
            tokens = tokenizer.encode(text).tokens
            if (tokenizer.decoder or ByteLevel()).decode(tokens) != text:
                raise InputError(
                    "template",
                    "has text that this model's tokenizer changes",
                    "write a letter with its accents as one character (Unicode NFC)",
                )

    def text_of(self, ids: Sequence[int], after: str = "") -> str | None:
        """The text that is spelt with these ids, with or without the control text after it; None where there is none.

        Ids of another tokenizer are some text, too, but hardly ever the way in which this one would spell it.
        """
        end = self._control.encode(after).ids if after else []
        own = list(ids[: -len(end)] if end and list(ids[-len(end) :]) == end else ids)
        if any(not 0 <= each < self._user.get_vocab_size() for each in own):
            return None
        tokens = [self._user.id_to_token(each) or "" for each in own]
        text: str = (self._user.decoder or ByteLevel()).decode(tokens)
        return text if self._user.encode(text).ids == own else None

    def check_control(self, text: str) -> None:
        """Raises ModelError for control text with a token that this tokenizer does not know."""
        known = {token.content for token in self._control.get_added_tokens_decoder().values()}
        if unknown := [token for token in _CONTROL_TOKEN.findall(text) if token not in known]:
            raise ModelError(
                f"the tokenizer has no token {unknown[0]}, which this kind of model reads",
                "tokenizer.json and weights are of different models: download both again",
            )

    def check_query(self, query: str, most: int) -> None:
        """Raises TooLong for a query of more than `most` tokens: it is never cut."""
        count = len(self._encode_user([query])[0])
        if count > most:
            raise TooLong(
                "query",
                f"has {count} tokens, more than the {most} that the request allows",
                "shorten it, or raise the limit",
            )

    def _prefix(self, frame: Frame) -> Ids:
        """The ids before the document: the same object for as long as any prompt holds it, and encoded once."""
        text = (frame.prefix, frame.head)
        if (known := self._prefixes.get(text)) is not None:
            return known
        ids = Ids([*self._control.encode(frame.prefix).ids, *self._encode_user([frame.head])[0]])
        self._prefixes[text] = ids
        return ids

    def _encode_documents(self, texts: Sequence[str], room: int) -> list[list[int]]:
        """The ids of each text, or at least the first room + 1 of them where there are more.

        Encoding a whole book to keep its first page takes seconds: longer texts are cut between two words first, where
        the tokenizer's pattern always begins a new piece, so that the ids up to there are those of the whole text.
        Where there is no such place for as long again as what is needed (base64, a million spaces), the text is cut
        anyway: a tokenizer's merges reach a few characters far, and the cut is thousands away from what is kept.
        """
        characters = max(_LEAST_CHARACTERS, _CHARACTERS_A_TOKEN * (room + 1))
        heads = [_head(text, characters) for text in texts]
        bodies = self._encode_user(heads)
        for index, (text, head, body) in enumerate(zip(texts, heads, bodies, strict=True)):
            bodies[index] = body if len(body) > room or head == text else self._encode_more(text, head, room)
        return bodies

    def _encode_more(self, text: str, head: str, room: int) -> list[int]:
        """For tokens longer than usual: takes four times the text until it fills the room."""
        body: list[int] = []
        while len(body) <= room and head != text:
            head = _head(text, 4 * len(head))
            [body] = self._encode_user([head])
        return body

    def _encode_user(self, texts: Sequence[str]) -> list[list[int]]:
        clean = [_without_surrogates(text) for text in texts]
        return [encoding.ids for encoding in self._user.encode_batch_fast(clean)]


def _word_start(text: str, places: Sequence[tuple[int, int]], at: int) -> int:
    """Where a token begins, or the word that it is a part of, where that is near."""
    for before in range(at, max(-1, at - _SPARE), -1):
        start = places[before][0] if places else 0
        if start == 0 or text[start].isspace() or text[start - 1].isspace():
            return start
    return places[at][0]


def _head(text: str, characters: int) -> str:
    """The text up to the first gap between two words after so many characters, or a few times as many without one."""
    if len(text) <= characters:
        return text
    most = _PATIENCE * characters
    gap = _GAP.search(text, characters, most)
    return text[: gap.start() if gap else most]


def _bare(tokenizer_json: str) -> Tokenizer:
    """A tokenizer that adds, cuts and pads nothing, whatever its file asks for."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.post_processor = None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _without_added_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """One over the same vocabulary and merges, which take a second to read and a hundred megabytes to hold."""
    plain = Tokenizer(tokenizer.model)
    plain.normalizer, plain.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    plain.decoder = tokenizer.decoder
    return plain


def _without_surrogates(text: str) -> str:
    """Lone surrogates (from broken JSON escapes) cannot be encoded as UTF-8: replace them as a decoder would."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
