"""How an embedding model is asked: its folder's prompts, end token and pooling, and where a prompt may be cut."""

from pathlib import Path
from typing import Any

import pytest
from embedding_models import END, MODULES, QUERY_PROMPT, write, write_embedder
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from yesrank.embedding import Recipe, recipe_of
from yesrank.errors import CheckpointError, InputError, UnsupportedModel
from yesrank.tokens import PromptEncoder

PROMPTS = [
    QUERY_PROMPT,
    "",
    "query: ",
    "search query ",
    "问题：",
    "Q",
    "Represent this, please:\n",
    "¿",
    "a. b",
]


@pytest.fixture
def folder(tmp_path: Path, small_tokenizer: str) -> Path:
    return write_embedder(tmp_path / "source", small_tokenizer)


@pytest.fixture(scope="module")
def encoders(tokenizer_json: str) -> tuple[PromptEncoder, Tokenizer]:
    return PromptEncoder(tokenizer_json), Tokenizer.from_str(tokenizer_json)


@given(prompt=st.sampled_from(PROMPTS), text=st.text(max_size=40))
@example(prompt=QUERY_PROMPT, text="What is the capital of China?")
@example(prompt=QUERY_PROMPT, text="\n\n x")
@example(prompt="query: ", text="  two")
@example(prompt=QUERY_PROMPT, text="\u0301é")
@example(prompt="search query ", text="'s")
def test_a_prompt_is_cut_where_the_tokenizer_begins_anew(
    prompt: str, text: str, encoders: tuple[PromptEncoder, Tokenizer]
) -> None:
    encoder, tokenizer = encoders
    [found] = encoder.prompts(Recipe().frame(prompt), [text], 1 << 20)
    if END not in text and "<" not in text:  # control tokens in a text are text: see test_tokens
        assert [*found.ids] == [*tokenizer.encode(prompt + text, add_special_tokens=False).ids, found.ids[-1]]
    assert found.ids[-1] == tokenizer.token_to_id(END)


def test_all_but_the_colon_of_the_published_prompt_is_shared(
    encoders: tuple[PromptEncoder, Tokenizer],
) -> None:
    frame = Recipe().frame(QUERY_PROMPT)
    assert (frame.head, frame.lead) == (QUERY_PROMPT[:-1], ":")
    first, second = encoders[0].prompts(frame, ["one", "two"], 512)
    assert first.prefix is second.prefix and len(first.prefix) > 10


def test_the_published_folder(folder: Path) -> None:
    recipe = recipe_of(folder)
    assert recipe.prompts == {"query": QUERY_PROMPT, "document": ""} and recipe.after == END
    assert recipe.before == "" and recipe.origin == ""
    assert recipe.instruction == "Given a web search query, retrieve relevant passages that answer the query"
    assert recipe.query_prompt("Find cats") == "Instruct: Find cats\nQuery:"
    assert recipe.prompt("document") == recipe.prompt(None) == ""


def test_a_folder_without_files_of_sentence_transformers_is_asked_as_the_model_card_has_it(
    tmp_path: Path, small_tokenizer: str
) -> None:
    folder = write_embedder(tmp_path / "bare", small_tokenizer, beside=False)
    assert recipe_of(folder) == Recipe(max_length=131072)
    write(folder, "tokenizer.json", small_tokenizer)
    recipe = recipe_of(folder)
    assert recipe.after == END and "appends nothing" in recipe.origin


def test_a_tokenizer_that_appends_nothing_beside_modules_is_followed(
    folder: Path, small_tokenizer: str
) -> None:
    write(folder, "tokenizer.json", small_tokenizer)
    recipe = recipe_of(folder)
    assert recipe.after == "" and "as in sentence-transformers" in recipe.origin


def test_prompts_of_a_model_that_was_trained_further(folder: Path) -> None:
    prompts = {"query": "<|im_start|>query: ", "passage": "passage: ", "clustering": "Group: "}
    write(
        folder,
        "config_sentence_transformers.json",
        {"prompts": prompts, "default_prompt_name": "clustering"},
    )
    recipe = recipe_of(folder)
    assert recipe.instruction is None and "prompts are those" in recipe.origin
    assert (recipe.prompt(None), recipe.prompt("document")) == ("Group: ", "passage: ")
    frame = recipe.frame(recipe.prompt("query"))
    assert (frame.prefix, frame.head, frame.lead) == ("<|im_start|>", "query", ": ")
    assert recipe.frame("<|im_start|>x: ", trusted=False).prefix == ""
    with pytest.raises(InputError, match="no place for one"):
        recipe.query_prompt("Find cats")
    with pytest.raises(InputError, match="clustering, passage, query"):
        recipe.prompt("other")


def test_modules_without_prompts_take_texts_as_they_are(folder: Path) -> None:
    (folder / "config_sentence_transformers.json").unlink()
    recipe = recipe_of(folder)
    assert recipe.query_prompt(None) == "" and "read as they are" in recipe.origin


POOLINGS = [
    ({"pooling_mode_mean_tokens": True, "pooling_mode_lasttoken": False}, "mean_tokens"),
    ({"pooling_mode": "mean"}, "mean"),
    ({"pooling_mode": ["lasttoken", "cls"]}, "lasttoken, cls"),
]


@pytest.mark.parametrize(("pooling", "named"), POOLINGS)
def test_other_poolings_are_refused(pooling: dict[str, Any], named: str, folder: Path) -> None:
    write(folder, "1_Pooling/config.json", pooling)
    with pytest.raises(UnsupportedModel, match=f"pools by {named};"):
        recipe_of(folder)


def test_the_pooling_of_newer_files_is_understood(folder: Path) -> None:
    write(folder, "1_Pooling/config.json", {"embedding_dimension": 64, "pooling_mode": "lasttoken"})
    assert recipe_of(folder).after == END


def test_other_modules_and_settings_are_refused(folder: Path) -> None:
    dense = {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"}
    write(folder, "modules.json", [*MODULES, dense])
    with pytest.raises(UnsupportedModel, match="runs Dense after the decoder"):
        recipe_of(folder)
    write(folder, "modules.json", MODULES)
    write(folder, "sentence_bert_config.json", {"do_lower_case": True})
    with pytest.raises(UnsupportedModel, match="lowers the case"):
        recipe_of(folder)
    write(folder, "sentence_bert_config.json", {"max_seq_length": 512})
    assert recipe_of(folder).max_length == 512
    write(folder, "modules.json", {"0": "Transformer"})
    with pytest.raises(CheckpointError, match="no list of modules"):
        recipe_of(folder)
