"""What a folder says about how it is asked. The files are those that sentence-transformers 6.2 writes.

tests/parity/test_published.py has that program write them, and compares the scores.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from yesrank import Reranker, qwen3
from yesrank.asking import Asking, asking_of
from yesrank.cli.main import app
from yesrank.convert import convert_onnx
from yesrank.errors import CheckpointError, UnsupportedModel
from yesrank.models.folder import open_model
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES
from yesrank.store import Entry, Store, take_in

GET = '{{%- set {0} = messages | selectattr("role", "eq", "{1}") | map(attribute="content") | first{2} -%}}\n'
TEMPLATE = (
    GET.format("instruction", "system", f' | default("{DEFAULT_INSTRUCTION}")')
    + GET.format("query", "query", "")
    + GET.format("document", "document", "")
    + "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    "<Instruct>: {{ instruction }}\n<Query>: {{ query }}\n<Document>: {{ document }}<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n\n"  # Jinja drops the last newline
)
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
    {
        "idx": 1,
        "name": "1",
        "path": "1_LogitScore",
        "type": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore",
    },
]
MESSAGES = {"message": {"method": "forward", "method_output_name": "logits", "format": "flat"}}
TEXT = {"text": {"method": "forward", "method_output_name": "logits"}}


def write(folder: Path, name: str, content: Any) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.fixture
def folder(checkpoint_folder: Path, tmp_path: Path) -> Path:
    """A checkpoint as CrossEncoder.save_pretrained leaves it."""
    folder = Path(shutil.copytree(checkpoint_folder, tmp_path / "saved"))
    write(folder, "modules.json", MODULES)
    write(folder, "1_LogitScore/config.json", {"true_token_id": 258, "false_token_id": 257})
    write(folder, "config_sentence_transformers.json", {"model_type": "CrossEncoder", "prompts": {}})
    write(folder, "sentence_bert_config.json", {"modality_config": TEXT | MESSAGES})
    write(folder, "chat_template.jinja", TEMPLATE)
    return folder


def test_a_folder_that_says_nothing_is_asked_as_the_card_says(checkpoint_folder: Path) -> None:
    assert asking_of(checkpoint_folder) == Asking(TEMPLATES["card"], None, None, "")


def test_the_recipe_is_followed(folder: Path) -> None:
    asked = asking_of(folder)
    assert (asked.template.name, asked.instruction, asked.answers) == (
        "card",
        DEFAULT_INSTRUCTION,
        (258, 257),
    )
    assert "sentence-transformers" in asked.origin


def test_a_prompt_is_the_instruction_where_it_is_the_default(folder: Path) -> None:
    prompts = {"model_type": "CrossEncoder", "prompts": {"med": "Find papers", "law": "Find cases"}}
    write(folder, "config_sentence_transformers.json", prompts)
    assert asking_of(folder).instruction == DEFAULT_INSTRUCTION
    write(folder, "config_sentence_transformers.json", {**prompts, "default_prompt_name": "law"})
    assert asking_of(folder).instruction == "Find cases"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda text: text.replace("\n<Query>", "\n\n<Query>").replace("\n<Doc", "\n\n<Doc"), "chat"),
        (
            lambda text: text.replace("\n<Query>", "\n\n<Query>").replace("\n<Doc", "\n\n<Doc")[:-1],
            "onnx-card",
        ),
        (lambda text: text.replace('attribute="content"', 'attribute="content.0.text"'), "card"),
    ],
    ids=["chat", "onnx-card", "structured"],
)
def test_templates_are_known_by_what_they_write(change: Any, name: str, folder: Path) -> None:
    write(folder, "chat_template.jinja", change(TEMPLATE))
    assert asking_of(folder).template.name == name


def test_an_instruction_may_be_written_into_the_template(folder: Path) -> None:
    write(folder, "chat_template.jinja", TEMPLATE.replace("{{ instruction }}", "Find {{ 1 + 1 }} recipes"))
    assert asking_of(folder).instruction == "Find 2 recipes"


def test_a_template_may_stand_in_the_tokenizers_settings(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    for value in (TEMPLATE, [{"name": "tools", "template": "x"}, {"name": "default", "template": TEMPLATE}]):
        write(folder, "tokenizer_config.json", {"chat_template": value})
        assert asking_of(folder).template.name == "card"


def test_without_modules_a_template_counts_where_it_writes_pairs(folder: Path) -> None:
    for name in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (folder / name).unlink()
    write(folder, "chat_template.jinja", TEMPLATE.replace("{{ instruction }}", "Find recipes"))
    assert asking_of(folder).instruction == "Find recipes"
    write(folder, "chat_template.jinja", "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}")
    assert asking_of(folder) == Asking()


@pytest.mark.parametrize(
    ("change", "suffix"),
    [
        (lambda text: text.replace("<Query>:", "Question:"), "</think>\n\n"),
        (lambda text: text[:-1], "</think>\n"),  # one newline less is another prompt
    ],
)
def test_a_template_that_is_not_known_becomes_the_folders_own(
    change: Any, suffix: str, folder: Path, tmp_path: Path
) -> None:
    write(folder, "chat_template.jinja", change(TEMPLATE))
    asked = asking_of(folder)
    assert asked.template.name.startswith("own-")
    assert asked.template.suffix.endswith(suffix)
    assert asked.instruction == DEFAULT_INSTRUCTION
    manifest = convert_onnx(folder, tmp_path / "onnx", variants=["fp32"])
    assert manifest.template == asked.template.name
    assert open_model(tmp_path / "onnx").template == asked.template


OTHER = TEMPLATE.replace("<Instruct>: {{ instruction }}\n<Query>:", "Question:")
REFUSED = {
    "another template": (
        {"chat_template.jinja": OTHER},
        "has no place for an instruction",
    ),
    "no document": ({"chat_template.jinja": TEMPLATE.replace("{{ document }}", "")}, "once each"),
    "a broken template": ({"chat_template.jinja": "{% if %}"}, "cannot be rendered"),
    "a template that fails": ({"chat_template.jinja": "{{ raise_exception('no') }}"}, "rendered.*no"),
    "no template": ({"sentence_bert_config.json": {"modality_config": TEXT}}, "without a template"),
    "one token": ({"1_LogitScore/config.json": {"true_token_id": 5, "false_token_id": None}}, "one token"),
    "a module of its own": (
        {"modules.json": [MODULES[0], {"path": "1_Mine", "type": "my_code.Score"}]},
        "my_code.Score, which yesrank does not follow",
    ),
    "another module": (
        {"modules.json": [MODULES[0], {"path": "1", "type": "sentence_transformers.models.Dense"}]},
        "Dense",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_followed_is_refused(case: str, folder: Path) -> None:
    files, message = REFUSED[case]
    for name, content in files.items():
        write(folder, name, content)
    with pytest.raises(UnsupportedModel, match=message):
        asking_of(folder)


def test_a_template_that_the_caller_names_goes_first(folder: Path) -> None:
    write(folder, "chat_template.jinja", OTHER)
    assert asking_of(folder, "chat").template.name == "chat"
    assert asking_of(folder, "chat").answers == (258, 257)


@pytest.mark.parametrize("name", ["modules.json", "1_LogitScore/config.json", "sentence_bert_config.json"])
@pytest.mark.parametrize("content", ["{", "7", '[{"a": 1}]'])
def test_files_that_cannot_be_read_are_told(name: str, content: str, folder: Path) -> None:
    write(folder, name, content)
    with pytest.raises(CheckpointError, match=Path(name).name):
        asking_of(folder)


# every way in


def as_embedding(folder: Path) -> None:
    write(
        folder,
        "modules.json",
        [MODULES[0], {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}],
    )


def as_bare_decoder(folder: Path) -> None:
    for name in ("modules.json", "chat_template.jinja", "config_sentence_transformers.json"):
        (folder / name).unlink()
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name.removeprefix("model."): each for name, each in tensors.items()}, folder / "model.safetensors"
    )


def as_qwen3_model(folder: Path) -> None:
    (folder / "modules.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    write(folder, "config.json", {**config, "architectures": ["Qwen3Model"]})


@pytest.mark.parametrize("change", [as_embedding, as_bare_decoder, as_qwen3_model])
def test_an_embedding_model_is_refused_wherever_a_reranker_is_wanted(change: Any, folder: Path) -> None:
    change(folder)
    for way in (
        lambda: open_model(folder),
        lambda: Reranker(folder, engine="reference"),
        lambda: asking_of(folder),
    ):
        with pytest.raises(UnsupportedModel, match="is an embedding model"):
            way()


def as_own_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    write(folder, "config.json", {**config, "auto_map": {"AutoModelForCausalLM": "modeling.Mine"}})


def as_other_template(folder: Path) -> None:
    write(folder, "chat_template.jinja", OTHER)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (as_own_code, "auto_map"),
        (as_other_template, "no place for an instruction"),
    ],
)
def test_each_way_in_gives_the_same_reason(
    change: Any, message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folder)
    monkeypatch.setenv("YESRANK_HOME", str(tmp_path / "home"))
    shown = CliRunner().invoke(app, ["inspect", str(folder)])
    assert shown.exit_code == 1
    assert message in " ".join(shown.stdout.split())
    ways = {
        "add": lambda: take_in(Store(tmp_path / "models.toml"), Entry("m", folder), str(folder)),
        "convert": lambda: convert_onnx(folder, tmp_path / "onnx", variants=["q8"]),
        "serve": lambda: open_model(folder),
        "rerank": lambda: Reranker(folder, engine="reference"),
    }
    for way in ways.values():
        with pytest.raises(UnsupportedModel, match=message):
            way()
    assert not (tmp_path / "onnx").exists()


def test_the_recipe_goes_into_the_manifest_and_is_followed_from_there(folder: Path, tmp_path: Path) -> None:
    write(
        folder,
        "config_sentence_transformers.json",
        {"model_type": "CrossEncoder", "prompts": {"law": "Find cases"}, "default_prompt_name": "law"},
    )
    manifest = convert_onnx(folder, tmp_path / "onnx", variants=["fp32"])
    assert (manifest.instruction, dict(manifest.answers)) == ("Find cases", {"yes": 258, "no": 257})
    shown = " ".join(CliRunner().invoke(app, ["inspect", str(tmp_path / "onnx")]).stdout.split())
    assert "instruction Find cases" in shown
    assert "yes = 258, no = 257" in shown
    texts = ["a b c", "licence", "yes or no"]
    with Reranker(folder, engine="reference") as reference, Reranker(tmp_path / "onnx") as converted:
        expected = [hit.logit for hit in reference.rank("which", texts)]
        assert [hit.logit for hit in converted.rank("which", texts)] == pytest.approx(expected, abs=1e-3)
        own = [hit.logit for hit in converted.rank("which", texts, instruction="Find cases")]
        assert own == pytest.approx(expected, abs=1e-3)
        other = [hit.logit for hit in converted.rank("which", texts, instruction=DEFAULT_INSTRUCTION)]
        assert np.abs(np.array(other) - expected).max() > 0.01
    rows = load_file(tmp_path / "onnx" / "head.safetensors")["yes_no"]
    table = load_file(folder / "model.safetensors")[qwen3.EMBEDDING].astype(np.float32)
    assert np.array_equal(rows, table[[258, 257]])
