"""Rotary position embeddings: what a config.json asks for, and the frequencies that it means.

Published models turn pair i of a head by position x theta^(-2i/S). For longer texts their cards advise YaRN: pairs
that turn rarely within the trained length are slowed down by a factor, those that turn often stay, and cos and sin
grow a little. Source: Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models" (2023); the
keys and their defaults are those of Hugging Face transformers 5.24. Every other kind is refused, not ignored.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from yesrank.errors import UnsupportedModel

_PLAIN, _YARN = "default", "yarn"


@dataclass(frozen=True, slots=True)
class Yarn:
    """A rope_scaling of the type yarn (names as in config.json).

    attention_factor: what cos and sin are multiplied with. beta_fast, beta_slow: pairs that turn more often than
    beta_fast times within original_max_position_embeddings stay as they are, those that turn less often than beta_slow
    times are slowed down by the whole factor. truncate: whether these bounds are rounded to whole pairs.
    """

    factor: float
    original_max_position_embeddings: int
    attention_factor: float
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True

    @property
    def positions(self) -> int:
        """The longest text that it is for, in tokens."""
        return int(self.factor * self.original_max_position_embeddings)

    def as_dict(self) -> dict[str, Any]:
        """The value of rope_scaling in a config.json."""
        return {"rope_type": _YARN} | {name: getattr(self, name) for name in self.__slots__}


def read(config: dict[str, Any]) -> tuple[float, Yarn | None]:
    """(theta, YaRN where it is asked for) of a config.json, as transformers 5.24 hears it.

    A rope_scaling stands in the place of the whole of rope_parameters, its theta included. Raises UnsupportedModel for
    another kind, KeyError where no theta is given at all, TypeError or ValueError for values that are no numbers.
    """
    scaling, parameters = config.get("rope_scaling"), config.get("rope_parameters")
    heard = scaling or parameters or {}
    if not isinstance(heard, dict):
        raise TypeError("rope_scaling and rope_parameters are objects")
    kind = heard.get("rope_type") or heard.get("type") or _PLAIN
    if kind not in (_PLAIN, _YARN) or any(isinstance(value, dict) for value in heard.values()):
        raise UnsupportedModel(
            f"config.json asks for RoPE scaling {kind!r}, which is not implemented",
            "where it was added for long texts, take it out, or write one of the type yarn",
        )
    if (heard.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1) != 1:
        raise UnsupportedModel("config.json turns a part of each head only (partial_rotary_factor)")
    return _theta(config, heard), _yarn(config, heard) if kind == _YARN else None


def forgotten_theta(config: dict[str, Any]) -> str | None:
    """In words, where a rope_scaling hides the theta of rope_parameters: transformers 5.24 then takes 10,000."""
    scaling, parameters = config.get("rope_scaling"), config.get("rope_parameters")
    if not scaling or not isinstance(parameters, dict) or "rope_theta" not in parameters:
        return None
    if "rope_theta" in scaling or config.get("rope_theta") is not None:
        return None
    return (
        f"rope_scaling stands in the place of rope_parameters and gives no rope_theta, so it is {_DEFAULT_THETA:,.0f} "
        f"as in transformers, not {parameters['rope_theta']:,.0f}: write rope_theta into rope_scaling if that is meant"
    )


def frequencies(plain: npt.NDArray[Any], theta: float, yarn: Yarn | None) -> npt.NDArray[Any]:
    """What each pair of a head turns by from one position to the next. plain: theta^(-2i/S), floats [S/2]."""
    if yarn is None:
        return plain
    pairs = len(plain)

    def pair_that_turns(times: float) -> float:
        """The index of the pair, as a real number, that turns so many times within the trained length."""
        trained = yarn.original_max_position_embeddings
        return pairs * math.log(trained / (times * 2 * math.pi)) / math.log(theta)

    first, last = pair_that_turns(yarn.beta_fast), pair_that_turns(yarn.beta_slow)
    if yarn.truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, 2 * pairs - 1)
    slowed = np.clip((np.arange(pairs) - first) / (last - first or 0.001), 0, 1)
    result: npt.NDArray[Any] = (plain * (1 - slowed) + plain / yarn.factor * slowed).astype(plain.dtype)
    return result


_DEFAULT_THETA = 10_000.0


def _theta(config: dict[str, Any], heard: dict[str, Any]) -> float:
    theta = heard.get("rope_theta", config.get("rope_theta"))
    if theta is None and heard is config.get("rope_scaling") and config.get("rope_parameters"):
        return _DEFAULT_THETA
    if theta is None:
        raise KeyError("rope_theta")
    return float(theta)


def _yarn(config: dict[str, Any], heard: dict[str, Any]) -> Yarn:
    longest = int(config["max_position_embeddings"])
    original = config.get("original_max_position_embeddings") or heard.get("original_max_position_embeddings")
    trained = int(original or longest)
    factor = float(longest / trained if heard["factor"] is None else heard["factor"])
    given = heard.get("attention_factor")
    yarn = Yarn(
        factor=factor,
        original_max_position_embeddings=trained,
        attention_factor=float(_attention_factor(factor, heard) if given is None else given),
        beta_fast=float(heard.get("beta_fast") or 32),
        beta_slow=float(heard.get("beta_slow") or 1),
        truncate=bool(heard.get("truncate", True)),
    )
    if not (yarn.factor >= 1 and trained > 0 and yarn.beta_fast >= yarn.beta_slow > 0):
        raise ValueError(f"rope_scaling of the type yarn cannot be {yarn.as_dict()}")
    return yarn


def _attention_factor(factor: float, heard: dict[str, Any]) -> float:
    """The paper's, or the ratio of two of them where the model scales twice."""
    up, down = heard.get("mscale"), heard.get("mscale_all_dim")
    logarithm = 0.1 * math.log(factor) if factor > 1 else 0.0
    return (up * logarithm + 1) / (down * logarithm + 1) if up and down else logarithm + 1
