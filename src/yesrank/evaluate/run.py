"""An evaluation from end to end: candidates, models, figures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from yesrank.evaluate import statistics
from yesrank.evaluate.collection import Collection
from yesrank.evaluate.contender import Contender
from yesrank.evaluate.firststage import FirstStage
from yesrank.evaluate.fusion import fuse
from yesrank.evaluate.measures import Values, measure
from yesrank.evaluate.reranking import Reranked, rerank, with_rest
from yesrank.evaluate.scorestore import ScoreStore
from yesrank.evaluate.statistics import Difference, Mean
from yesrank.evaluate.trec import Run, top
from yesrank.types import Progress

Bar = Callable[[str, int], AbstractContextManager[Progress | None]]
"""Called with a label and a number of pairs; yields what is told of progress."""


@dataclass(frozen=True, slots=True)
class System:
    """One line of the table. model: None for the first stage. gains: against the first stage, None for itself.

    values: per query, in the order of the qrels. means and gains: by measure. settings: of a model, what its scores
    depend on; weights: what its folder holds.
    """

    label: str
    run: Run
    values: Values
    means: dict[str, Mean]
    gains: dict[str, Difference] | None = None
    model: Reranked | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    weights: str = ""

    @property
    def precision(self) -> str:
        """What runs, and the weights where they are others: int4 weights run as int8 ones do. Empty without a model."""
        runs = self.model.info.precision if self.model else ""
        return f"{runs}, {self.weights} weights" if self.weights and self.weights != runs else runs


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was found. systems: the first stage, then each model, each followed by its fusion."""

    collection: Collection
    first_stage: FirstStage
    top_k: int
    candidates: Run
    systems: tuple[System, ...]
    notes: tuple[str, ...]

    @property
    def what(self) -> str:
        """What was done, in words: without a model nothing was reranked."""
        if len(self.systems) == 1:
            return "first stage only, nothing reranked"
        return f"top {self.top_k} of each query reranked"

    @property
    def queries(self) -> list[str]:
        """Ids of the queries, in the order of `System.values`."""
        return [*self.collection.qrels]


def evaluate(
    collection: Collection,
    first_stage: FirstStage,
    contenders: Iterable[Contender],
    store: ScoreStore | None,
    *,
    top_k: int = 100,
    fusion: float | None = None,
    again: bool = False,
    bar: Bar | None = None,
) -> Evaluation:
    """Reranks the first stage's best `top_k` of each query with each contender, and measures all of them.

    fusion: weight of the first stage in a further line for each model, None for no such line. again: do not use known
    scores. store: None where there are no contenders. Raises ModelError, EngineError or MissingExtra; what was scored
    until then is kept.
    """
    candidates = {query: top(row, top_k) for query, row in first_stage.run.items()}
    base = _system(first_stage.name, collection, first_stage.run)
    systems = [base]
    contenders = [*contenders]
    for each in contenders:
        if store is None:
            raise ValueError("scores of a contender need a store")
        with (bar or _silent)(each.label, sum(map(len, candidates.values()))) as progress:
            done = rerank(
                each, collection, candidates, first_stage.run, store, again=again, progress=progress
            )
        systems.append(
            replace(
                _system(each.label, collection, done.run, base, done),
                settings=each.settings,
                weights=each.weights,
            )
        )
        if fusion is not None:
            fused = with_rest(fuse(done.logits, candidates, fusion), first_stage.run)
            systems.append(_system(_fused(each, first_stage), collection, fused, base))
    told = differences(contenders, own_instructions=bool(collection.instructions))
    notes = (*collection.notes, *first_stage.notes, *_notes(collection, top_k, systems), *told)
    return Evaluation(collection, first_stage, top_k, candidates, tuple(systems), notes)


def labels(first_stage: FirstStage, contenders: Iterable[Contender], *, fused: bool) -> list[str]:
    """The names of an evaluation's systems, before there are any."""
    found = [first_stage.name]
    for each in contenders:
        found += [each.label, _fused(each, first_stage)] if fused else [each.label]
    return found


def differences(contenders: Sequence[Contender], *, own_instructions: bool = False) -> list[str]:
    """What else than the model differs between contenders, and makes their figures those of two things at once."""
    found = []
    for name in ("template", "instruction", "max_length"):
        if name == "instruction" and own_instructions:
            continue
        values = {each.label: each.settings[name] for each in contenders if name in each.settings}
        if len({*values.values()}) > 1:
            each = "; ".join(f"{label}: {value}" for label, value in values.items())
            found.append(f"{name.replace('_', '-')} differs between the models ({each})")
    return found


def _fused(contender: Contender, first_stage: FirstStage) -> str:
    return f"{contender.label} + {first_stage.name}"


def _silent(label: str, total: int) -> AbstractContextManager[Progress | None]:
    return nullcontext(None)


def _system(
    label: str, collection: Collection, run: Run, base: System | None = None, model: Reranked | None = None
) -> System:
    values = measure(collection.qrels, run)
    means = {name: statistics.mean(row) for name, row in values.items()}
    if base is None:
        return System(label, run, values, means)
    gains = {name: statistics.difference(row, base.values[name]) for name, row in values.items()}
    return System(label, run, values, means, gains, model)


def _notes(collection: Collection, top_k: int, systems: Sequence[System]) -> list[str]:
    size = len(collection.documents)
    notes = [f"top-k: {top_k} is more than the {size} documents of the corpus"] if top_k > size else []
    return notes + [
        f"{system.label}: {system.model.truncated} of {system.model.pairs} documents were cut to fit"
        for system in systems
        if system.model and system.model.truncated
    ]
