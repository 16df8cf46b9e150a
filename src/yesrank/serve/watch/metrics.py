"""What Prometheus may read. Labels come from fixed sets: routes, dialects, statuses, names of known models."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from yesrank.serve.watch.logs import log_event
from yesrank.serve.watch.observe import Outcome, RequestReport, State, TurnReport

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# a time of creation for every counter doubles the page, and nobody reads it
disable_created_metrics()  # type: ignore[no-untyped-call]
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_DOCUMENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


@dataclass(frozen=True, slots=True)
class Now:
    """What is read when Prometheus asks. models: (name, state) of each."""

    queue_tokens: int = 0
    queue_requests: int = 0
    active_requests: int = 0
    tokens_per_second: float = 0.0
    ready: bool = False
    draining: bool = False
    models: tuple[tuple[str, str], ...] = ()


class Metrics:
    """Counters of one server in a registry of its own, so that two servers in a process do not mix.

    An Observer of scheduler and pool: turns, requests, reloads and states are counted as they are told.
    """

    def __init__(self, now: Callable[[], Now] = Now) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.registry.register(_Gauges(now))
        self.requests = self._counter("requests", "Requests answered", "route", "dialect", "status")
        self.errors = self._counter("errors", "Requests that failed, by kind of error", "kind")
        self.outcomes = self._counter(
            "scheduled_requests", "Requests that left the scheduler", "model", "outcome"
        )
        self.documents = self._counter("documents", "Documents answered", "model")
        self.tokens = self._counter("tokens", "Prompt tokens answered, each prompt counted whole", "model")
        self.computed = self._counter("computed_tokens", "Tokens that the engine computed", "model")
        self.repeated = self._counter(
            "repeated_documents", "Documents scored once with an identical one", "model"
        )
        self.truncated = self._counter("truncated_documents", "Documents that were cut to fit", "model")
        self.prefix_hits = self._counter(
            "prefix_cache_hit_tokens",
            "Prompt tokens not computed: shared in a request, or scored already",
            "model",
        )
        self.turns = self._counter("turns", "Calls of the engine", "model", "failed")
        self.loads = self._counter("model_loads", "Times that a model became ready", "model")
        self.reloads = self._counter("model_reloads", "Engines replaced after a failure", "model", "reason")
        self.request_seconds = self._seconds("request", "From the request's arrival to its answer", "route")
        self.queue_seconds = self._seconds("queue", "Waiting for the engine")
        self.tokenize_seconds = self._seconds("tokenize", "Text to token ids")
        self.inference_seconds = self._seconds("inference", "In the engine")
        self.request_documents = Histogram(
            "yesrank_request_documents", "Documents of a request", buckets=_DOCUMENTS, registry=self.registry
        )
        self.batch_fill = Histogram(
            "yesrank_batch_fill",
            "Tokens of a turn over the most that one may have",
            buckets=_SHARES,
            registry=self.registry,
        )

    def turn(self, report: TurnReport) -> None:
        """The engine finished a call, or failed in it."""
        self.turns.labels(report.model, str(report.failed).lower()).inc()
        self.computed.labels(report.model).inc(report.tokens)
        self.batch_fill.observe(report.fill)

    def request(self, report: RequestReport) -> None:
        """A request left the scheduler."""
        self.outcomes.labels(report.model, str(report.outcome)).inc()
        self.queue_seconds.observe(report.queue_seconds)
        if report.outcome is Outcome.DONE:
            self.inference_seconds.observe(report.inference_seconds)
            self.repeated.labels(report.model).inc(report.documents - report.distinct)

    def reload(self, model: str, reason: str) -> None:
        """A model's engine broke and is loaded anew."""
        self.reloads.labels(model, reason).inc()
        log_event("reload", model=model, reason=reason)

    def state(self, model: str, state: State) -> None:
        """A model's state changed."""
        if state is State.READY:
            self.loads.labels(model).inc()
        log_event("model", name=model, state=str(state))

    def answered(self, model: str, documents: int, tokens: int, cached: int, truncated: int) -> None:
        """A request was scored. cached: tokens that were not computed for it."""
        self.documents.labels(model).inc(documents)
        self.tokens.labels(model).inc(tokens)
        self.prefix_hits.labels(model).inc(max(cached, 0))
        self.truncated.labels(model).inc(truncated)
        self.request_documents.observe(documents)

    def render(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"yesrank_{name}", text, labels, registry=self.registry)

    def _seconds(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"yesrank_{name}_seconds", text, labels, buckets=_SECONDS, registry=self.registry)


class _Gauges:
    """Values of this moment, asked for at each scrape: nothing has to be kept up to date meanwhile."""

    def __init__(self, now: Callable[[], Now]) -> None:
        self._now = now

    def collect(self) -> Iterable[Metric]:
        """One family a gauge."""
        now = self._now()
        for name, (text, read) in _GAUGES.items():
            yield GaugeMetricFamily(f"yesrank_{name}", text, float(read(now)))
        family = GaugeMetricFamily(
            "yesrank_model_state", "1 for the state of a model", labels=["model", "state"]
        )
        for model, current in now.models:
            for state in State:
                family.add_metric([model, str(state)], float(state == current))
        yield family

    def describe(self) -> Iterable[Metric]:
        """Their names, without asking for values: used once, when it is registered."""
        return [GaugeMetricFamily(f"yesrank_{name}", "") for name in (*_GAUGES, "model_state")]


_GAUGES: Mapping[str, tuple[str, Callable[[Now], float]]] = {
    "queue_tokens": ("Tokens accepted and not begun yet", lambda now: now.queue_tokens),
    "queue_requests": ("Requests accepted and not finished", lambda now: now.queue_requests),
    "active_requests": (
        "Requests being answered, from their body to their response",
        lambda now: now.active_requests,
    ),
    "tokens_per_second": (
        "Measured speed of the engine, 0 before the first turn",
        lambda now: now.tokens_per_second,
    ),
    "ready": ("1 when the self-test of the default model passed", lambda now: now.ready),
    "draining": ("1 after SIGTERM", lambda now: now.draining),
}
