"""The model that all contenders run: random weights of a published size, converted by yesrank."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from environments import Unavailable, python_of, variables
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from yesrank.bench import synthetic_documents
from yesrank.convert import convert, convert_onnx
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.randomweights import write_random_checkpoint

# sentence-transformers writes its prompt with a chat template over these two roles. Expressions keep the newlines at
# the end, which Jinja strips from plain text.
_CHAT_TEMPLATE = """\
{{- PREFIX -}}
{{- "<Instruct>: " + INSTRUCTION + "\\n<Query>: " -}}
{{- messages | selectattr("role", "eq", "query") | map(attribute="content") | first -}}
{{- "\\n<Document>: " -}}
{{- messages | selectattr("role", "eq", "document") | map(attribute="content") | first -}}
{{- SUFFIX -}}
"""
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_ADDED = ("<think>", "</think>")


KINDS = ("source", "int8", "bf16", "genai", "onnx", "onnx-full", "onnx-alone")
"""What contenders load: the checkpoint; OpenVINO folders, `genai` with the tokenizer as IR; ONNX q8 with two logits,
with those of the whole vocabulary, and with two logits and without a cache."""
Say = Callable[[str], None]


class Models:
    """The folders of one size. Each is made when it is first asked for, and kept."""

    def __init__(self, work: Path, preset: str, tokenizer: Path | None, say: Say) -> None:
        self._work, self._preset, self._tokenizer, self._say = work, preset, tokenizer, say
        self._stem = f"{preset}-{'own' if tokenizer is None else 'given'}-tokenizer"

    def folder(self, kind: str) -> Path:
        """The folder of one of KINDS. Raises Unavailable where the program that makes it cannot be had."""
        target = self._work / f"{self._stem}-{kind}"
        if not target.exists():
            self._say(f"making the {self._preset} as {kind}")
            staging = self._work / f"{self._stem}-{kind}-partial"
            shutil.rmtree(staging, ignore_errors=True)
            self._make(kind, staging)
            staging.rename(target)
        return target

    def _make(self, kind: str, staging: Path) -> None:
        if kind == "source":
            self._random(staging)
        elif kind in ("int8", "bf16"):
            convert(self.folder("source"), staging, weights=kind)
        elif kind == "genai":
            _linked(self.folder("int8"), staging)
            _write_tokenizer_ir(staging)
        elif kind == "onnx-alone":
            _linked(self.folder("onnx"), staging)
            _without_cache(
                staging / "onnx" / "model_quantized.onnx", staging / "onnx" / "model_yesno_quantized.onnx"
            )
        else:
            head = "full" if kind == "onnx-full" else "yesno"
            convert_onnx(self.folder("source"), staging, variants=("q8",), head=head)

    def _random(self, staging: Path) -> None:
        write_random_checkpoint(staging, self._preset, tokenizer=self._tokenizer)
        if self._tokenizer is None:
            _write_own_tokenizer(staging)
        (staging / "chat_template.jinja").write_text(_chat_template(), encoding="utf-8")


def _linked(folder: Path, target: Path) -> None:
    """The same files under another name: hard links, since some readers do not follow others out of a folder."""
    shutil.copytree(folder, target, copy_function=os.link)


def _write_tokenizer_ir(folder: Path) -> None:
    """By openvino-tokenizers and transformers, in the environment that holds them."""
    code = "import sys; from pathlib import Path; from yesrank.convert.tokenizer import write_tokenizer_ir as write; "
    command = (str(python_of("torch")), "-c", code + "write(Path(sys.argv[1]))", str(folder))
    done = subprocess.run(command, env=variables("torch"), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"no tokenizer IR: {done.stderr.strip().splitlines()[-1:]}")


def _without_cache(source: Path, target: Path) -> None:
    """The graph with an empty cache for a batch of one written into it, for readers that feed ids and mask only."""
    import onnx

    model = onnx.load(source, load_external_data=False)
    graph = model.graph
    for port in [each for each in graph.input if each.name.startswith("past_key_values")]:
        shape = [each.dim_value for each in port.type.tensor_type.shape.dim]
        dims = [1, shape[1], 0, shape[3]]
        graph.initializer.append(
            onnx.TensorProto(name=port.name, data_type=onnx.TensorProto.FLOAT, dims=dims)
        )
        graph.input.remove(port)
    kept = [each for each in graph.output if each.name == "logits"]
    del graph.output[:]
    graph.output.extend(kept)
    onnx.save(model, target)
    source.unlink()


def _chat_template() -> str:
    card = TEMPLATES["card"]
    texts = {"PREFIX": card.prefix, "INSTRUCTION": DEFAULT_INSTRUCTION, "SUFFIX": card.suffix}
    template = _CHAT_TEMPLATE
    for name, text in texts.items():
        template = template.replace(name, json.dumps(text))
    return template


def _write_own_tokenizer(folder: Path) -> None:
    """A byte-level BPE that spells the benchmark's words with a token each, as the published one does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, "")
    texts = [*synthetic_documents(2000, 100, seed=0), *["yes\n", "no\n"] * 1000]
    texts += [around.prefix, around.head, around.suffix] * 1000
    trainer = trainers.BpeTrainer(
        vocab_size=4000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in _SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in _ADDED])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<|endoftext|>",
        "model_max_length": 8192,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
