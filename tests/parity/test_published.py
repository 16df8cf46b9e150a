"""Folders as transformers, safetensors, peft and sentence-transformers save them: our scores are those programs'.

Needs transformers 5.24 and sentence-transformers 6.2, which optimum-intel does not take: `make test-parity` has an
environment of their own for this file. Imports lie inside the functions.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.models import CARD_PREFIX, CARD_SUFFIX, Shape, build, last_logits, load
from yesrank import head
from yesrank.checkpoint import Checkpoint
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import ModelError, UnsupportedModel
from yesrank.models.reranker import Reranker
from yesrank.prompt import DEFAULT_INSTRUCTION
from yesrank.types import Prompt

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", minversion="5.24")

IDS = tuple((number * 37 + 11) % 1024 for number in range(200))
YES, NO = 11, 5
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
THETA = {"rope_theta": 1e6}
QUERY, DOCUMENTS = "What is a licence?", ["A licence lets you copy the work.", "It rains.", "yes or no"]


@pytest.fixture
def folder(tmp_path: Path, small_tokenizer: str) -> Path:
    return saved(tmp_path / "model", small_tokenizer)


def saved(folder: Path, tokenizer: str, tied: bool = True, **options: Any) -> Path:
    build(Shape(tied=tied), "float32").save_pretrained(folder, **options)
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def ours(folder: Path) -> float:
    engine = ReferenceEngine(Checkpoint(folder))
    return float(head.logits(engine.encode([Prompt.of(IDS)]), engine.output_rows([YES, NO]))[0])


def of_model(model: Any) -> float:
    [row] = last_logits(model, [IDS])
    return float(row[YES] - row[NO])


def edit_config(folder: Path, **changes: Any) -> None:
    """None removes a key."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | changes
    config = {key: value for key, value in config.items() if value is not None}
    path.write_text(json.dumps(config), encoding="utf-8")


def edit_tensors(folder: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(edit(load_file(path)), path, {"format": "pt"})


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": YARN},
        {"rope_scaling": YARN | THETA},
        {"rope_parameters": None, **THETA, "rope_scaling": YARN},
        {"rope_parameters": None, **THETA, "rope_scaling": {"type": "yarn", "factor": 4.0}},
        {"rope_parameters": YARN | THETA},
        {"rope_parameters": YARN, **THETA},
        {"rope_parameters": YARN | THETA | {"attention_factor": 1.3, "beta_fast": 16, "beta_slow": 2}},
        {"rope_parameters": YARN | THETA | {"truncate": False}},
        {"rope_parameters": YARN | THETA | {"mscale": 1.0, "mscale_all_dim": 0.5}},
        {"rope_parameters": YARN | THETA, "original_max_position_embeddings": 128},
        {"rope_parameters": YARN | THETA | {"factor": None}, "max_position_embeddings": 512},
        {"rope_scaling": {"rope_type": "default"}},
        {"rope_theta": 5e3},
    ],
    ids=str,
)
def test_rope_is_heard_as_transformers_hears_it(changes: dict[str, Any], folder: Path) -> None:
    edit_config(folder, **changes)
    assert ours(folder) == pytest.approx(of_model(load(folder)), abs=1e-3)


@pytest.mark.parametrize("labels", [1, 2])
def test_a_classifier_scores_as_in_transformers(labels: int, folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=labels, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        model.score.weight.normal_(std=0.3)
        model.save_pretrained(tmp_path / "classifier")
        logits = model(input_ids=torch.tensor([IDS])).logits[0]
    expected = float(logits[-1] - (logits[0] if labels == 2 else 0))
    engine = ReferenceEngine(Checkpoint(tmp_path / "classifier"))
    found = head.logits(engine.encode([Prompt.of(IDS)]), engine.output_rows([1, 0]))
    assert found[0] == pytest.approx(expected, abs=1e-3)


def test_what_is_written_as_a_classifier_is_one_for_others(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from yesrank.convert import convert_checkpoint

    convert_checkpoint(folder, tmp_path / "classifier", head="seq-cls")
    model = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "classifier", dtype=torch.float32, attn_implementation="eager"
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "classifier")
    texts = [
        f"{CARD_PREFIX}<Instruct>: {DEFAULT_INSTRUCTION}\n<Query>: {QUERY}\n<Document>: {text}{CARD_SUFFIX}"
        for text in DOCUMENTS
    ]
    with torch.no_grad():
        theirs = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    with Reranker(folder, engine="reference") as reranker:
        found = reranker.predict([(QUERY, text) for text in DOCUMENTS], activation="identity")
    assert theirs.shape == (len(DOCUMENTS), 1)
    assert found == pytest.approx(theirs[:, 0].numpy(), abs=1e-3)


def renamed(change: Callable[[str], str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda tensors: {change(name): tensor for name, tensor in tensors.items()}


def with_head(tensors: dict[str, Any]) -> dict[str, Any]:
    return {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].flip(0).contiguous()}


def with_the_same_head(tensors: dict[str, Any]) -> dict[str, Any]:
    return {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}


@pytest.mark.parametrize(
    "edit",
    [
        with_head,
        with_the_same_head,
        renamed(lambda name: f"model.{name}"),
        renamed(lambda name: name.removeprefix("model.")),
        renamed(lambda name: name.removeprefix("model.") if "layers.1" in name else name),
    ],
    ids=["another head", "the same head", "one level more", "bare", "mixed"],
)
def test_tensors_count_as_in_transformers(edit: Callable[..., dict[str, Any]], folder: Path) -> None:
    edit_tensors(folder, edit)
    assert ours(folder) == pytest.approx(of_model(load(folder)), abs=1e-3)


@pytest.mark.parametrize("prefix", ["base_model.model.", "module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_names_are_taken_off(prefix: str, folder: Path) -> None:
    """Transformers draws random weights in their place, and warns."""
    expected = of_model(load(folder))
    edit_tensors(folder, renamed(lambda name: prefix + name))
    assert ours(folder) == pytest.approx(expected, abs=1e-3)


def test_save_model_stores_one_of_two_tied(folder: Path) -> None:
    from safetensors.torch import save_model

    expected = of_model(load(folder))
    save_model(load(folder), str(folder / "model.safetensors"))
    assert of_model(load(folder)) == pytest.approx(expected, abs=1e-5)
    assert ours(folder) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("first", ["sharded", "single"])
@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_that_was_saved_into_twice(
    first: str, keep: bool, tmp_path: Path, small_tokenizer: str
) -> None:
    folder = saved(
        tmp_path / "model", small_tokenizer, **({"max_shard_size": "100KB"} if first == "sharded" else {})
    )
    older = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
    options = {} if first == "sharded" else {"max_shard_size": "100KB"}
    build(Shape(), "float32", seed=1).save_pretrained(folder, **options)
    for name, content in older.items() if keep else ():
        (folder / name).write_bytes(content)
    assert ours(folder) == pytest.approx(of_model(load(folder)), abs=1e-3)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks for it
def test_an_adapter_that_was_merged_into_the_folder_it_lies_in(folder: Path) -> None:
    peft = pytest.importorskip("peft")
    settings = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = peft.get_peft_model(load(folder), settings)
    adapted.save_pretrained(folder)
    merged = adapted.merge_and_unload()
    expected = of_model(merged)
    merged.save_pretrained(folder)
    assert abs(of_model(load(folder)) - expected) > 0.01  # transformers applies it twice
    with pytest.raises(UnsupportedModel, match="a whole model and an adapter"):
        ours(folder)
    (folder / "adapter_model.safetensors").unlink()
    assert ours(folder) == pytest.approx(expected, abs=1e-3)


# sentence-transformers


def chat_template(separator: str = "\n", end: str = "\n", instruction: str = "{{ instruction }}") -> str:
    """As the published rerankers write it: Jinja drops the newline at the end."""
    roles = {
        "instruction": f'system|default("{DEFAULT_INSTRUCTION}")',
        "query": "query",
        "document": "document",
    }
    lines = ""
    for name, asked in roles.items():
        role, _, default = asked.partition("|")
        chosen = f'messages | selectattr("role", "eq", "{role}") | map(attribute="content") | first'
        lines += f"{{%- set {name} = {chosen}{' | ' * bool(default)}{default} -%}}\n"
    fields = (f"<Instruct>: {instruction}", "<Query>: {{ query }}", "<Document>: {{ document }}")
    return lines + CARD_PREFIX + separator.join(fields) + CARD_SUFFIX + end


def cross_encoder(folder: Path) -> Any:
    sentence_transformers = pytest.importorskip("sentence_transformers", minversion="6.2")
    return sentence_transformers.CrossEncoder(
        str(folder), device="cpu", model_kwargs={"dtype": torch.float32}, local_files_only=True
    )


@pytest.fixture
def resaved(folder: Path, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """(chat template, prompt, token ids) -> a folder that CrossEncoder has saved."""

    def save(template: str | None, prompt: str | None = None, answers: tuple[int, int] | None = None) -> Path:
        if template is not None:
            (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        encoder, target = cross_encoder(folder), tmp_path / "saved"
        if prompt is not None:
            encoder.prompts, encoder.default_prompt_name = {"own": prompt, "other": "Other"}, "own"
        if answers is not None:
            encoder[1].true_token_id, encoder[1].false_token_id = answers
        encoder.save_pretrained(str(target))
        return target

    yield save


@pytest.mark.parametrize(
    "options",
    [
        {"template": chat_template()},
        {"template": chat_template("\n\n")},
        {"template": chat_template("\n\n", end="")},
        {"template": chat_template(instruction="Find recipes")},
        {"template": chat_template(), "prompt": "Find cases"},
        {"template": chat_template(), "answers": (17, 16)},
        {"template": chat_template(end="")},
        {"template": chat_template().replace("<Query>", "Question"), "prompt": "Find cases"},
    ],
    ids=[
        "card",
        "chat",
        "onnx-card",
        "fixed instruction",
        "prompt",
        "answers",
        "a newline less",
        "other words",
    ],
)
def test_scores_are_those_of_the_cross_encoder_that_was_saved(
    options: dict[str, Any], resaved: Callable[..., Path]
) -> None:
    folder = resaved(**options)
    pairs = [(QUERY, text) for text in DOCUMENTS]
    theirs = cross_encoder(folder).predict(pairs, activation_fn=torch.nn.Identity())
    with Reranker(folder, engine="reference") as reranker:
        found = reranker.score(pairs).logits
    assert np.ptp(theirs) > 0.01
    assert found == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("template", [None, chat_template().replace("<Instruct>: {{ instruction }}\n", "")])
def test_what_we_cannot_ask_alike_is_refused(template: str | None, resaved: Callable[..., Path]) -> None:
    with pytest.raises(UnsupportedModel):
        Reranker(resaved(template), engine="reference")


def test_an_embedding_model_is_none_of_ours(folder: Path, tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers", minversion="6.2")
    encoder = sentence_transformers.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    encoder.save_pretrained(str(tmp_path / "embeds"))
    for name in ((), ("modules.json", "config_sentence_transformers.json")):
        for each in name:
            (tmp_path / "embeds" / each).unlink()
        with pytest.raises(ModelError, match="embedding model"):
            Reranker(tmp_path / "embeds", engine="reference")
