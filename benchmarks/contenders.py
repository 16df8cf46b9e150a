"""The programs that are compared. Run as a script it is the worker: one contender, one request, one process.

The worker reads a job (JSON) from stdin and writes what it measured (JSON) to the last line of stdout. A process of its
own gives each contender its own peak memory, and nothing that another has loaded or warmed up.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.tokens import PromptEncoder

Score = Callable[[str, Sequence[str]], list[float]]
"""(query, documents) -> logits (yes minus no) in the documents' order."""

MAX_LENGTH = 8192
_OPTIMUM = ("optimum.intel", "pip install -r tests/parity/requirements.txt")
_SENTENCE = ("sentence_transformers", "pip install -r tests/parity/requirements.txt")
_OURS = ("yesrank", "pip install yesrank")


@dataclass(frozen=True)
class Contender:
    """label: for the table. folder: which model it loads: int8, bf16 or source. slow: runs on a part of the documents.

    package: (module, how to install it). opens: folder -> Score. padded: runs all documents as one batch.
    """

    label: str
    folder: str
    package: tuple[str, str]
    opens: Callable[[Path], Score]
    slow: bool = True
    padded: bool = False

    @property
    def missing(self) -> str | None:
        """Why it cannot run here, and what to do about it."""
        module, command = self.package
        try:
            found = find_spec(module) is not None
        except ModuleNotFoundError:  # the parent package is missing
            found = False
        return None if found else f"{module} is not installed: {command}"


@dataclass(frozen=True)
class Measurement:
    """Seconds of the timed request, and logits in the documents' order. Memory in bytes, over the process's life.

    running: the most memory held between the end of loading and the end of the request. cores: processor time over
    seconds; less than the machine has where other programs took some of it.
    """

    documents: int
    load_seconds: float
    seconds: float
    cores: float
    peak: int
    running: int
    weights: int
    logits: list[float] = field(repr=False)


def _yesrank(precision: str) -> Callable[[Path], Score]:
    def opens(folder: Path) -> Score:
        from yesrank import Reranker

        reranker = Reranker(folder, precision=precision)

        def score(query: str, documents: Sequence[str]) -> list[float]:
            hits = sorted(reranker.rank(query, documents), key=lambda hit: hit.index)
            return [hit.logit for hit in hits]

        return score

    return opens


def _optimum(batch: int | None) -> Callable[[Path], Score]:
    """The published recipe on OVModelForCausalLM, as OpenArc serves it: left padding, logits of the whole vocabulary.

    batch: documents at a time, sorted by length; None for all at once in the order given, which is OpenArc's way.
    """

    def opens(folder: Path) -> Score:
        import numpy as np
        import torch
        from optimum.intel import OVModelForCausalLM

        model = OVModelForCausalLM.from_pretrained(folder, device="CPU")
        encoder = PromptEncoder.from_folder(folder)
        answers = [encoder.answer_id("yes"), encoder.answer_id("no")]

        def score(query: str, documents: Sequence[str]) -> list[float]:
            around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, query)
            prompts = [prompt.ids for prompt in encoder.prompts(around, documents, MAX_LENGTH)]
            out = np.empty(len(prompts))
            for members in _batches(prompts, batch):
                ids, mask = (torch.from_numpy(each) for each in _left_padded([prompts[i] for i in members]))
                yes, no = model(input_ids=ids, attention_mask=mask).logits[:, -1, answers].T
                out[members] = (yes - no).numpy()
            return [float(each) for each in out]

        return score

    return opens


def _cross_encoder(batch: int, dtype: str = "bfloat16") -> Callable[[Path], Score]:
    """CrossEncoder sorts by length itself, and asks transformers for the last token's logits only."""

    def opens(folder: Path) -> Score:
        import torch
        from sentence_transformers import CrossEncoder

        encoder = CrossEncoder(
            str(folder),
            device="cpu",
            model_kwargs={"dtype": getattr(torch, dtype)},
            local_files_only=True,
            activation_fn=torch.nn.Identity(),
        )

        def score(query: str, documents: Sequence[str]) -> list[float]:
            pairs = [(query, text) for text in documents]
            return [float(each) for each in encoder.predict(pairs, batch_size=batch, show_progress_bar=False)]

        return score

    return opens


def _transformers_f32(folder: Path) -> Score:
    """The judge: one prompt at a time in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    encoder = PromptEncoder.from_folder(folder)
    answers = [encoder.answer_id("yes"), encoder.answer_id("no")]

    def score(query: str, documents: Sequence[str]) -> list[float]:
        around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, query)
        logits = []
        for prompt in encoder.prompts(around, documents, MAX_LENGTH):
            with torch.no_grad():
                last = model(torch.tensor([prompt.ids]), logits_to_keep=1).logits[0, -1, answers]
            logits.append(float(last[0] - last[1]))
        return logits

    return score


def _reference(folder: Path) -> Score:
    """The judge where PyTorch is not installed: yesrank's own float32 engine."""
    from yesrank import Reranker

    reranker = Reranker(folder, engine="reference")

    def score(query: str, documents: Sequence[str]) -> list[float]:
        hits = sorted(reranker.rank(query, documents), key=lambda hit: hit.index)
        return [hit.logit for hit in hits]

    return score


CONTENDERS = {
    "yesrank-int8": Contender("yesrank int8", "int8", _OURS, _yesrank("int8"), slow=False),
    "yesrank-unpacked": Contender(
        "yesrank int8, unpacked to bf16", "int8", _OURS, _yesrank("bf16"), slow=False
    ),
    "yesrank-bf16": Contender("yesrank bf16", "bf16", _OURS, _yesrank("bf16"), slow=False),
    "openarc": Contender(
        "optimum-intel int8, one padded batch (OpenArc)", "int8", _OPTIMUM, _optimum(None), padded=True
    ),
    "optimum-1": Contender("optimum-intel int8, batch 1", "int8", _OPTIMUM, _optimum(1)),
    "optimum-8": Contender("optimum-intel int8, batch 8 sorted", "int8", _OPTIMUM, _optimum(8)),
    "sentence-1": Contender("sentence-transformers bf16, batch 1", "source", _SENTENCE, _cross_encoder(1)),
    "sentence-4": Contender(
        "sentence-transformers bf16, batch 4 sorted", "source", _SENTENCE, _cross_encoder(4)
    ),
    "sentence-8": Contender(
        "sentence-transformers bf16, batch 8 sorted", "source", _SENTENCE, _cross_encoder(8)
    ),
}
OURS = tuple(name for name, each in CONTENDERS.items() if each.package == _OURS)

JUDGES = {
    "transformers float32": Contender(
        "transformers float32", "source", ("transformers", _OPTIMUM[1]), _transformers_f32
    ),
    "yesrank's reference engine": Contender("yesrank's reference engine", "source", _OURS, _reference),
}


def _batches(prompts: Sequence[Sequence[int]], size: int | None) -> list[list[int]]:
    if size is None:
        return [list(range(len(prompts)))]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _left_padded(prompts: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    import numpy as np

    width = max(map(len, prompts))
    ids, mask = (np.zeros((len(prompts), width), np.int64) for _ in range(2))
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = prompt
        mask[row, width - len(prompt) :] = 1
    return ids, mask


def _measure(contender: Contender, folder: Path, job: dict[str, Any]) -> Measurement:
    started = time.perf_counter()
    score = contender.opens(folder)
    score("warm up", job["warm_up"])  # another query: a prefix cache must not know the timed one
    loaded = time.perf_counter()
    loading_peak = _peak()
    _restart_peak()
    begun, busy = time.perf_counter(), time.process_time()
    logits = score(job["query"], job["documents"])
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    running = _peak()
    return Measurement(
        documents=len(logits),
        load_seconds=loaded - started,
        seconds=seconds,
        cores=busy / seconds,
        peak=max(loading_peak, running),
        running=running,
        weights=_weights_bytes(folder),
        logits=logits,
    )


def _weights_bytes(folder: Path) -> int:
    files = [*folder.glob("openvino_model.bin")] or [*folder.glob("*.safetensors")]
    return sum(path.stat().st_size for path in files)


def _peak() -> int:
    """The most memory that this process has held: VmHWM on Linux; elsewhere what it holds now."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return int(psutil.Process().memory_info().rss)
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes) * 1024


def _restart_peak() -> None:
    """Sets VmHWM back to what is held now (proc(5): writing 5 to clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # not Linux, or not allowed here: `running` then covers loading too


def main() -> None:
    """One job: {name, folder, query, documents, warm_up}."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    job = json.load(sys.stdin)
    contender = (CONTENDERS | JUDGES)[job["name"]]
    result = _measure(contender, Path(job["folder"]), job)
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
