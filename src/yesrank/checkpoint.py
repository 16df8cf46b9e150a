"""A published checkpoint on disk: its tensors by their transformers names, read one at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from yesrank import qwen3, rope
from yesrank.errors import CheckpointError, UnsupportedModel
from yesrank.qwen3 import Qwen3Config
from yesrank.sources.base import FLOATS, Tensor, Tensors
from yesrank.sources.files import SafetensorsFiles
from yesrank.sources.labels import WithoutNo
from yesrank.sources.lora import Adapter, Merged
from yesrank.sources.opening import open_tensors
from yesrank.tensorplaces import INDEX, SINGLE, full_names
from yesrank.types import FloatArray

_QUANTISED = (".qweight", ".qzeros", ".weight_packed", ".scales")  # of GPTQ, AWQ, compressed-tensors and MLX
_AGAIN = "download the file again"
_ROWS = 4096  # of two matrices that are compared, at a time


class Checkpoint:
    """The tensors of a Qwen3 checkpoint by their transformers names.

    Opening reads headers only and checks every name, shape and dtype, and that no file is cut short. Tensors
    are memory-mapped: reading one costs its own size and nothing more. Which files and names count: see tensorplaces.
    Where config.json ties the output embedding to the input's and both are there, they are compared, and are not tied
    where they differ: `config` says what holds. The head of a classifier stands for the output embedding, with two
    rows. notes: what is not as it seems, for a person to read.
    decoder_only: an output embedding is not looked for, and not read where there is one, as embedding models need none:
    `config` then ties it to the input's, so that nothing else is asked for.
    """

    def __init__(
        self,
        path: Path,
        *,
        tokenizer: Path | None = None,
        lora: Path | None = None,
        decoder_only: bool = False,
    ) -> None:
        """path, tokenizer: see sources.opening. `folder`: of the small files, for most kinds the path itself.

        lora: the folder of an adapter, which is merged into what is read.

        Raises ModelNotFound, UnsupportedModel, CheckpointError, MissingExtra or InputError, each saying what to do.
        """
        opened = open_tensors(path, tokenizer)
        self.path, self.folder, self.decoder_only = path, opened.folder, decoder_only
        self.config = Qwen3Config.from_folder(self.folder)
        self._tied = self.config.tie_word_embeddings
        if decoder_only:
            self.config = replace(self.config, tie_word_embeddings=True)
        forgotten = rope.forgotten_theta(qwen3.read_config(self.folder))
        self.notes: tuple[str, ...] = (*opened.notes, *((forgotten,) if forgotten else ()))
        self._stored: Tensors = opened.tensors
        self._place = self._locate()
        self.is_plain = isinstance(self._stored, SafetensorsFiles) and lora is None
        if lora is not None:
            self._merge(Adapter(lora))
        if self.config.labels:
            self._settle_labels()
        self._check_shapes()
        self._settle_head()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the tensors."""
        return self._stored.files

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, from the header."""
        return self._stored.shape(self._place[name])

    def tensor(self, name: str) -> Tensor:
        """A tensor in the checkpoint's own dtype (bfloat16, float16 or float32)."""
        return self._stored.tensor(self._place[name])

    def float32(self, name: str) -> FloatArray:
        """A tensor widened to float32. Raises CheckpointError where it holds NaN or infinity."""
        array: FloatArray = self.tensor(name).astype(np.float32)
        if not np.isfinite(array).all():
            raise CheckpointError(f"{name} holds NaN or infinity: the file is corrupt", _AGAIN)
        return array

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows start to stop of a tensor in the checkpoint's own dtype. May be called from several threads."""
        return self._stored.rows(self._place[name], start, stop)

    def release(self) -> None:
        """Unmaps the files, whose pages count as this process's memory; the next read maps them again."""
        self._stored.release()

    def output_rows(self, ids: list[int]) -> FloatArray:
        """Rows of the output embedding: float32 [len(ids), D]."""
        head = qwen3.head_tensor(self.config)
        return np.concatenate([self.rows(head, i, i + 1).astype(np.float32) for i in ids])

    def _locate(self) -> dict[str, str]:
        """Full tensor name -> name that it is stored under."""
        if self._stored.files == (self.folder / SINGLE,) and (self.folder / INDEX).exists():
            self._note(f"{INDEX} is left over from another save: {SINGLE} goes first, as in transformers")
        wanted = {*qwen3.tensors(self.config), qwen3.HEAD}
        place = full_names(self._stored.names(), wanted)
        if self._tied and qwen3.HEAD in place:
            place.setdefault(qwen3.EMBEDDING, place[qwen3.HEAD])  # of two that are one, one is stored
        return place

    def _merge(self, adapter: Adapter) -> None:
        changed = {*adapter.changes, *adapter.whole}
        places = {
            stored: self._place[full]
            for full, stored in full_names(changed, self._place).items()
            if full in self._place
        }
        if foreign := sorted(changed - {*places}):
            raise UnsupportedModel(
                f"the adapter changes {foreign[0]}, which {self.path} does not have as a tensor of its own",
                "merge it with peft instead: merge_and_unload, then save_pretrained",
            )
        tables = {self._place.get(name) for name in (qwen3.EMBEDDING, qwen3.HEAD)}
        if self.config.tie_word_embeddings and tables & {*places.values()}:
            raise UnsupportedModel(
                "the adapter changes the embedding, which this model also puts out with",
                "merge it with peft instead: merge_and_unload, then save_pretrained",
            )
        self._stored = Merged(self._stored, adapter, places)
        if adapter.base and Path(adapter.base).name != self.path.name:
            self._note(f"the adapter says that it was trained on {adapter.base}")

    def _settle_labels(self) -> None:
        """Makes two rows of a classifier's head. Raises UnsupportedModel for one with more labels."""
        if qwen3.SCORE not in self._place:
            return  # told with what else is missing
        labels = self.shape(qwen3.SCORE)[0]
        if labels > qwen3.LABELS:
            raise UnsupportedModel(
                f"{self.path} sorts into {labels} classes; a reranker has one label, or two",
                "take a model that was trained to rank",
            )
        if labels == 1:
            self._stored = WithoutNo(self._stored, self._place[qwen3.SCORE])

    def _settle_head(self) -> None:
        """Keeps the two embeddings tied only where they are the same."""
        place = self._place
        if self.decoder_only or not self._tied or place.get(qwen3.HEAD) in (None, place[qwen3.EMBEDDING]):
            return
        if self.shape(qwen3.HEAD) == self.shape(qwen3.EMBEDDING) and self._equal(qwen3.HEAD, qwen3.EMBEDDING):
            return
        self.config = replace(self.config, tie_word_embeddings=False)
        self._check_shapes()
        self._note(
            "config.json ties lm_head to the embedding, but another lm_head is there: that one is used"
        )

    def _equal(self, one: str, other: str) -> bool:
        count = self.shape(one)[0]
        parts = ((start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
        return all(np.array_equal(self.rows(one, *part), self.rows(other, *part)) for part in parts)

    def _note(self, text: str) -> None:
        self.notes = (*self.notes, text)

    def _check_shapes(self) -> None:
        expected = qwen3.tensors(self.config)
        missing = [name for name in expected if name not in self._place]
        if missing and any(name.endswith(_QUANTISED) for name in self._place):
            raise _quantised()
        if missing:
            raise CheckpointError(
                f"{len(missing)} tensors are missing, the first is {missing[0]}",
                "download the checkpoint again; a sharded one needs every model-0000N-of-0000M.safetensors",
            )
        for name, shape in expected.items():
            if self.shape(name) != shape:
                raise CheckpointError(
                    f"{name} has shape {list(self.shape(name))}, config.json calls for {list(shape)}",
                    "config.json and weights are of different models: download both again",
                )
            dtype = self._stored.dtype(self._place[name])
            if dtype not in FLOATS:
                raise _quantised(dtype)


def _quantised(kind: str = "") -> UnsupportedModel:
    """The error for weights that another program quantised, where config.json does not say how."""
    return UnsupportedModel(
        f"the checkpoint's weights are quantised already{kind and f' ({kind})'}, and config.json does not say how",
        "download config.json again, or take the original, such as Qwen/Qwen3-Reranker-0.6B",
    )
