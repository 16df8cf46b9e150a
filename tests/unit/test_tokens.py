"""The prompt's ids are the model card's, whatever the text; and user text never becomes control tokens."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from yesrank import tokens
from yesrank.errors import InputError, ModelError
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, Template, frame
from yesrank.tokens import PromptEncoder

LONG = 1_000_000
# known to trouble tokenizers: marks that compose (NFC), Hangul jamo, line ends of every kind, joiners
TROUBLE = (  # noqa: SIM905
    "\u0301 e\u0301 \u1100\u1161\u11a8 \u0344 \u212b \ufb1d \u0958 \r\n \n\n \u2028 \u0085 \u00a0 "
    "\u200d \ufeff \x00 \ud800 \udfff \U0001f468\u200d\U0001f469 \u3000 ' 's 'LL <Document>: <Query>: "
    "{document} : :) \t 1 \u0661 <| |>"
).split(" ")
words = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(), max_size=20),
    st.sampled_from([*TROUBLE, " ", "  ", "\n", "\r", "\t"]),
)
texts = st.lists(words, max_size=8).map("".join)
templates = st.sampled_from(sorted(TEMPLATES)).map(TEMPLATES.__getitem__)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Recipe:
    """The model card: ids of prefix and suffix, and between them the whole body encoded as one string."""

    def __init__(self, tokenizer_json: str) -> None:
        self.tokenizer = Tokenizer.from_str(tokenizer_json)
        self.added = [token["content"] for token in json.loads(tokenizer_json)["added_tokens"]]

    def ids(self, template: Template, instruction: str, query: str, document: str) -> list[int]:
        gap = template.head.partition("{instruction}")[2].partition("<")[0]
        body = f"<Instruct>: {instruction}{gap}<Query>: {query}{gap}<Document>: {document}"
        return [*self.encode(template.prefix), *self.encode(body), *self.encode(template.suffix)]

    def encode(self, text: str) -> list[int]:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def has_added(self, *parts: str) -> bool:
        return any(token in part for token in self.added for part in parts)


@pytest.fixture(scope="session")
def encoder(tokenizer_json: str) -> PromptEncoder:
    return PromptEncoder(tokenizer_json)


@pytest.fixture(scope="session")
def recipe(tokenizer_json: str) -> Recipe:
    return Recipe(tokenizer_json)


@quick
@given(template=templates, fields=st.tuples(texts, texts, texts))
def test_ids_are_those_of_the_model_card(
    encoder: PromptEncoder, recipe: Recipe, template: Template, fields: tuple[str, str, str]
) -> None:
    instruction, query, document = fields
    [prompt] = encoder.prompts(frame(template, instruction, query), [document], LONG)
    assert not recipe.has_added(instruction, query, document)
    assert list(prompt.ids) == recipe.ids(template, instruction, query, document)
    assert not prompt.truncated


@quick
@given(data=st.data(), template=templates)
def test_user_text_never_becomes_control_tokens(
    encoder: PromptEncoder, recipe: Recipe, data: st.DataObject, template: Template
) -> None:
    """Also where an added token is put together from the end of one field and the start of the next."""
    pieces = st.lists(
        st.one_of(words, st.sampled_from(recipe.added), st.sampled_from(["<|im_", "end|>"])), max_size=6
    )
    instruction, query, document = (data.draw(pieces.map("".join)) for _ in range(3))
    [prompt] = encoder.prompts(frame(template, instruction, query), [document], LONG)
    prefix, suffix = recipe.encode(template.prefix), recipe.encode(template.suffix)
    control = {recipe.tokenizer.token_to_id(token) for token in recipe.added}
    assert list(prompt.ids[: len(prefix)]) == prefix
    assert list(prompt.ids[-len(suffix) :]) == suffix
    assert not control & set(prompt.ids[len(prefix) : -len(suffix)])


@quick
@given(query=texts, documents=st.lists(texts, min_size=1, max_size=4), room=st.integers(1, 12))
def test_only_the_document_is_cut(
    encoder: PromptEncoder, query: str, documents: list[str], room: int
) -> None:
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, query)
    whole = encoder.prompts(around, documents, LONG)
    suffix = len(encoder._control.encode(around.suffix).ids)
    limit = whole[0].shared + room + suffix
    for full, cut in zip(whole, encoder.prompts(around, documents, limit), strict=True):
        assert len(cut.ids) == min(len(full.ids), limit)
        assert cut.truncated == (len(full.ids) > limit)
        assert cut.ids == (*full.ids[:-suffix][: full.shared + room], *full.ids[-suffix:])


WORDS = ("word", "Слово", "字字字", "e\u0301", "\u00e9", "'s", "1²", "🎉")
MARKS = (" ", "  ", ". ", ".", "。", "，", "\n", "\r\n", "\u00a0")
PIECES = [*WORDS, *MARKS]


@quick
@given(text=st.lists(st.sampled_from(PIECES), max_size=120).map("".join), room=st.integers(1, 40))
def test_cutting_text_before_encoding_changes_no_id(
    encoder: PromptEncoder, monkeypatch: pytest.MonkeyPatch, text: str, room: int
) -> None:
    monkeypatch.setattr(tokens, "_CHARACTERS_A_TOKEN", 1)
    monkeypatch.setattr(tokens, "_LEAST_CHARACTERS", 1)
    monkeypatch.setattr(tokens, "_PATIENCE", 10_000)
    [whole] = encoder._encode_user([text])
    [cut] = encoder._encode_documents([text], room)
    assert cut[: room + 1] == whole[: room + 1]


GAPLESS = (
    "a",
    "1",
    " ",
    "\n",
    "=",
    "ab",
    "e\u0301",
    "a\u200d",
    "\u4e2d\u6587\u5b57",
    "\u0e01\u0e32\u0e19",
    "abc\n",
    "x1Y+",
    "\U0001f600\U0001f1e9",
)


@pytest.mark.parametrize("part", GAPLESS)
def test_texts_without_gaps_are_cut_all_the_same(
    encoder: PromptEncoder, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    text = part * (40_000 // len(part))
    [whole] = encoder._encode_user([text])
    seen: list[int] = []
    encode = encoder._encode_user
    monkeypatch.setattr(encoder, "_encode_user", lambda some: seen.extend(map(len, some)) or encode(some))
    for room in (1, 7, 60):
        [cut] = encoder._encode_documents([text], room)
        assert cut[: room + 1] == whole[: room + 1]
    assert sum(seen) < len(text) / 2


@quick
@given(query=texts, documents=st.lists(texts, min_size=2, max_size=4))
def test_documents_of_a_request_share_their_prefix(
    encoder: PromptEncoder, query: str, documents: list[str]
) -> None:
    prompts = encoder.prompts(frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, query), documents, LONG)
    assert len({prompt.ids[: prompt.shared] for prompt in prompts}) == 1
    assert len({prompt.shared for prompt in prompts}) == 1


def test_a_query_that_leaves_no_room_is_refused(encoder: PromptEncoder) -> None:
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, "word " * 500)
    with pytest.raises(InputError, match="no room for a document") as caught:
        encoder.prompts(around, ["a"], 100)
    assert caught.value.field == "query"


def test_a_placeholder_in_the_text_stays_text(encoder: PromptEncoder, recipe: Recipe) -> None:
    card = TEMPLATES["card"]
    query = "{document} {query} %s <Document>:"
    [prompt] = encoder.prompts(frame(card, DEFAULT_INSTRUCTION, query), ["{query}"], LONG)
    assert list(prompt.ids) == recipe.ids(card, DEFAULT_INSTRUCTION, query, "{query}")


def test_answers_are_single_tokens(encoder: PromptEncoder, recipe: Recipe) -> None:
    for word in ("yes", "no"):
        assert [encoder.answer_id(word)] == recipe.encode(word)
    with pytest.raises(ModelError, match="spells"):
        encoder.answer_id("yes or perhaps no")


def test_truncation_padding_and_post_processor_of_the_file_are_ignored(small_tokenizer: str) -> None:
    """Checkpoints saved after training may carry all three."""
    tokenizer = Tokenizer.from_str(small_tokenizer)
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, "a query")
    expected = PromptEncoder(small_tokenizer).prompts(around, ["a document of some words"], LONG)
    assert PromptEncoder(tokenizer.to_str()).prompts(around, ["a document of some words"], LONG) == expected


def test_a_broken_tokenizer_file_says_so() -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        PromptEncoder('{"model": 1}')


@pytest.mark.parametrize("tokenizer_json", ["published"], indirect=True)
def test_published_ids(tokenizer_json: str) -> None:
    encoder = PromptEncoder(tokenizer_json)
    [prompt] = encoder.prompts(frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, "q"), ["d"], LONG)
    assert (encoder.answer_id("yes"), encoder.answer_id("no")) == (9693, 2152)
    assert prompt.ids[-9:] == (151645, 198, 151644, 77091, 198, 151667, 271, 151668, 271)
    assert prompt.ids[0] == 151644


def test_documents_share_their_prefix(encoder: PromptEncoder) -> None:
    prompts = encoder.prompts(frame(TEMPLATES["card"], "judge", "word " * 50), ["a", "b", "c"], 8192)
    assert len({id(prompt.prefix) for prompt in prompts}) == 1
