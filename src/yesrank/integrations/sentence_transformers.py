"""sentence-transformers: a class that is called as its CrossEncoder is. Needs nothing of that project."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from yesrank.errors import InputError
from yesrank.models import inputs
from yesrank.store.reranker import Reranker
from yesrank.types import FloatArray

Activation = str | Callable[..., Any]
_KNOWN = ("sigmoid", "identity")


class CrossEncoder:
    """`predict` and `rank` with the arguments and results of sentence-transformers' CrossEncoder.

    model_name_or_path: a folder or stored name, None for the built-in model; nothing is downloaded. activation_fn: what
    is made of logits: None or "sigmoid" for scores from 0 to 1, "identity" for logits; torch.nn.Sigmoid() and
    torch.nn.Identity() are known as well, others are refused. options: as for Reranker. `reranker` is what runs.
    """

    def __init__(
        self,
        model_name_or_path: str | None = None,
        *,
        max_length: int | None = None,
        activation_fn: Activation | None = None,
        device: str | None = None,
        **options: Any,
    ) -> None:
        self._activation = _activation(activation_fn, "sigmoid")
        self.reranker = Reranker(
            model_name_or_path,
            max_length=max_length,
            device=None if device is None else device.upper(),
            **options,
        )

    def predict(
        self,
        sentences: Any,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        *,
        apply_softmax: bool = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
    ) -> FloatArray | list[np.float32] | np.float32:
        """One number a pair: float32 [N], or a list where convert_to_numpy is false; a single one for a single pair.

        batch_size changes nothing: the engine makes its own batches. Raises InputError or EngineError.
        """
        _refuse(apply_softmax=apply_softmax, convert_to_tensor=convert_to_tensor)
        found = self.reranker.predict(
            sentences,
            activation=_activation(activation_fn, self._activation),
            progress=bool(show_progress_bar),
        )
        return found if convert_to_numpy or isinstance(found, np.float32) else [*found]

    def rank(
        self,
        query: str,
        documents: Iterable[Any],
        top_k: int | None = None,
        return_documents: bool = False,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        *,
        apply_softmax: bool = False,
        convert_to_tensor: bool = False,
    ) -> list[dict[str, Any]]:
        """[{"corpus_id", "score"}, ...], best first; with "text", the document as it was given, where it is asked for.

        Raises InputError or EngineError.
        """
        _refuse(apply_softmax=apply_softmax, convert_to_tensor=convert_to_tensor)
        logits = _activation(activation_fn, self._activation) == "identity"
        ranking = self.reranker.rank(
            query, documents, top_n=inputs.how_many("top_k", top_k), progress=bool(show_progress_bar)
        )
        found = [
            {"corpus_id": hit.index, "score": np.float32(hit.logit if logits else hit.score)}
            for hit in ranking
        ]
        if return_documents:
            found = [{**each, "text": hit.given} for each, hit in zip(found, ranking, strict=True)]
        return found


def _activation(asked: Activation | None, otherwise: str) -> str:
    """By name, PyTorch's modules by that of their class: they take tensors, of which there are none."""
    if asked is None:
        return otherwise
    name = asked if isinstance(asked, str) else type(asked).__name__
    known = name.rpartition(".")[2].casefold()
    if known not in _KNOWN:
        raise InputError(
            "activation_fn", f"{name} is not known", "use sigmoid or identity, and go on from logits"
        )
    return known


def _refuse(**flags: bool) -> None:
    for name, value in flags.items():
        if value:
            raise InputError(name, "cannot be had: there is one number a pair, in numpy", "leave it out")
