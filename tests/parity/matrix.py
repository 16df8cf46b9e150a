"""What programs write, and how far our scores are from theirs: a table for docs/models-and-precision.md.

Run in the environment of test_published.py: python tests/parity/matrix.py. Every row is a small random checkpoint that
the program itself has written, and the score that the program itself gives to the same prompt. The last column is the
largest difference of scores, of the file as it is (reference engine) and after its conversion to float32 ONNX files.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from conftest import small_tokenizer_json

from parity.models import Shape, build, last_logits, load
from yesrank import head
from yesrank.asking import asking_of
from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert_onnx
from yesrank.convert.folder import answer_ids
from yesrank.convert.subject import Subject
from yesrank.engine.onnx import open_engine
from yesrank.engine.reference import ReferenceEngine
from yesrank.types import Prompt

IDS = [tuple((number * 37 + seed) % 1000 for number in range(50 + seed)) for seed in (11, 23, 41)]
SHAPE = Shape(hidden=128, inner=256, tied=False)
Row = tuple[str, str, Checkpoint, np.ndarray]


def source(folder: Path) -> Path:
    build(SHAPE, "bfloat16").save_pretrained(folder)
    (folder / "tokenizer.json").write_text(small_tokenizer_json(), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return folder


def subject(checkpoint: Checkpoint) -> Subject:
    asked = asking_of(checkpoint.folder, "card", sure=True)
    return Subject(checkpoint, asked, answer_ids(checkpoint, asked), None, ())


def answers(checkpoint: Checkpoint) -> list[int]:
    found = subject(checkpoint).answers
    return [found["yes"], found["no"]]


def ours(checkpoint: Checkpoint, folder: Path) -> Iterator[np.ndarray]:
    """Logits of the file as it is, then of its conversion."""
    prompts, rows = [Prompt.of(ids) for ids in IDS], checkpoint.output_rows(answers(checkpoint))
    yield head.logits(ReferenceEngine(checkpoint).encode(prompts), rows)
    convert_onnx(subject(checkpoint), folder, variants=["fp32"])
    yield head.logits(open_engine(folder, variant="fp32").encode(prompts), rows)


def of_model(model: Any, checkpoint: Checkpoint) -> np.ndarray:
    yes, no = answers(checkpoint)
    rows = last_logits(model, IDS)
    return rows[:, yes] - rows[:, no]


def transformers(folder: Path, work: Path) -> Iterator[Row]:
    from torch import no_grad, tensor
    from transformers import AutoModelForSequenceClassification

    name = f"transformers {version('transformers')}"
    checkpoint = Checkpoint(folder)
    yield name, "safetensors, bf16", checkpoint, of_model(load(folder), checkpoint)
    for labels in (1, 2):
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels)
        with no_grad():
            model.score.weight.normal_(std=0.3)
            model.float().save_pretrained(work / f"labels-{labels}")
            for file in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copyfile(folder / file, work / f"labels-{labels}" / file)
            logits = np.stack([model(input_ids=tensor([ids])).logits[0].numpy() for ids in IDS])
        expected = logits[:, -1] - (logits[:, 0] if labels == 2 else 0)
        yield (
            name,
            f"classifier, {labels} label{'s' * (labels > 1)}",
            Checkpoint(work / f"labels-{labels}"),
            expected,
        )


def peft(folder: Path, work: Path) -> Iterator[Row]:
    import peft as library
    import torch

    for name, options in (("LoRA", {}), ("LoRA, rsLoRA", {"use_rslora": True})):
        settings = library.LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", **options)
        model = library.get_peft_model(load(folder), settings)
        with torch.no_grad():
            for key, weight in model.named_parameters():
                if "lora_B" in key:
                    weight.normal_(std=0.05)
        model.save_pretrained(work / name)
        checkpoint = Checkpoint(folder, lora=work / name)
        yield f"peft {version('peft')}", name, checkpoint, of_model(model.eval(), checkpoint)


def mlx(folder: Path, work: Path) -> Iterator[Row]:
    import mlx.core as mx
    from mlx_lm import convert
    from mlx_lm.utils import load_model

    for bits in (0, 8, 6, 4, 3, 2):
        target = work / f"mlx-{bits}"
        options = {"quantize": True, "q_bits": bits, "q_group_size": 64} if bits else {"dtype": "bfloat16"}
        convert(str(folder), str(target), **options)
        model, _ = load_model(target)
        model.set_dtype(mx.float32)
        checkpoint = Checkpoint(target)
        yes, no = answers(checkpoint)
        rows = np.stack([np.array(model(mx.array([ids]))[0, -1].astype(mx.float32)) for ids in IDS])
        yield (
            f"mlx-lm {version('mlx-lm')}",
            f"{bits} bits" if bits else "bf16",
            checkpoint,
            rows[:, yes] - rows[:, no],
        )


def llama_cpp(folder: Path, work: Path) -> Iterator[Row]:
    import xllamacpp as llama
    from gguf_models import write_gguf

    for kind in ("F32", "F16", "BF16", "Q8_0", "Q5_1", "Q4_0"):
        path = write_gguf(work / f"{kind}.gguf", Checkpoint(folder), kind)
        checkpoint = Checkpoint(path)
        params = llama.CommonParams()
        params.model.path, params.embedding, params.warmup = str(path), True, False
        params.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
        params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 2048, 1, 1
        server = llama.Server(params)
        given = [server.handle_embeddings({"input": [list(ids)], "embd_normalize": -1}) for ids in IDS]
        scores = np.array([np.ravel(each["data"][0]["embedding"])[0] for each in given])
        yield (
            f"llama.cpp (xllamacpp {version('xllamacpp')})",
            f"GGUF, {kind}",
            checkpoint,
            np.log(scores / (1 - scores)),
        )


WRITERS: tuple[Callable[[Path, Path], Iterator[Row]], ...] = (transformers, peft, mlx, llama_cpp)


def main() -> None:
    """Prints the table."""
    print("| program | what | score difference: as it is | converted |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = source(Path(name) / "source")
        for writer in WRITERS:
            work = Path(name) / writer.__name__
            work.mkdir()
            with ExitStack() as quiet:
                shown = sys.stdout
                quiet.enter_context(redirect_stderr(quiet.enter_context(Path("/dev/null").open("w"))))
                quiet.enter_context(redirect_stdout(quiet.enter_context(Path("/dev/null").open("w"))))
                for number, (program, what, checkpoint, expected) in enumerate(writer(folder, work)):
                    found = [head.scores(each) for each in ours(checkpoint, work / f"out-{number}")]
                    off = " | ".join(f"{np.abs(each - head.scores(expected)).max():.0e}" for each in found)
                    print(f"| {program} | {what} | {off} |", file=shown, flush=True)


if __name__ == "__main__":
    main()
