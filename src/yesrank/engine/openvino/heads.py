"""What a model's logits are made with: rows of a vocabulary, or of the answers alone."""

from collections.abc import Sequence

import numpy as np
from openvino import Output

from yesrank.engine.openvino import weights
from yesrank.errors import ModelError
from yesrank.types import FloatArray

_LABELS = 2


class Head:
    """Reads rows (see base.HeadRows) of a matrix [V, D]; None for a model that ends at its hidden states.

    labels: how many answers there are, where they are no vocabulary: no and yes. A matrix with one row says yes less
    no: no is zeros then.
    """

    def __init__(self, matrix: Output | None) -> None:
        self._matrix = matrix
        self._count = 0 if matrix is None else int(matrix.get_shape()[0])
        self.labels = _LABELS if self._count in (1, _LABELS) else 0

    def __call__(self, ids: Sequence[int]) -> FloatArray:
        """float32 [len(ids), D]. Raises ModelError where there is no matrix."""
        if self._matrix is None:
            raise ModelError(
                "this model ends at its hidden states and has no output embedding, as embedding models are exported",
                "take a reranker, such as Qwen/Qwen3-Reranker-0.6B",
            )
        if self._count > 1:
            return weights.value(self._matrix, ids)
        [only] = weights.value(self._matrix)
        return np.stack([only if each else np.zeros_like(only) for each in ids])
