"""Times of a request's stages: always in its log line and Server-Timing; as OpenTelemetry spans where that is set up.

Spans are made when the extra `otel` is installed and OTEL_EXPORTER_OTLP_ENDPOINT is set. They carry counts and the
request's id, never a text.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

from yesrank.serve.watch.logs import log_event
from yesrank.serve.watch.record import Record

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@contextmanager
def span(name: str, record: Record) -> Iterator[None]:
    """Times one stage of a request."""
    begun = time.perf_counter()
    with _otel_span(name, record):
        try:
            yield
        finally:
            record.line.ms[name] = round((time.perf_counter() - begun) * 1e3, 2)


@contextmanager
def whole(record: Record, headers: Mapping[str, str]) -> Iterator[None]:
    """The span around all others of a request; a child of the client's, where the headers name one."""
    found = tracer()
    if found is None:
        yield
        return
    from opentelemetry.propagate import extract

    attributes = {"yesrank.request_id": record.id}
    with found.start_as_current_span("rerank", context=extract(headers), attributes=attributes):
        yield


def _otel_span(name: str, record: Record) -> AbstractContextManager[Any]:
    found = tracer()
    if found is None:
        return nullcontext()
    attributes = {"yesrank.request_id": record.id, "yesrank.documents": record.line.documents or 0}
    made: AbstractContextManager[Any] = found.start_as_current_span(name, attributes=attributes)
    return made


@cache
def tracer() -> Any | None:
    """The tracer of this process; None where tracing is not asked for or not installed."""
    if not os.environ.get(ENDPOINT):
        return None
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log_event("no traces", reason="they need the extra otel: pip install 'yesrank[otel]'")
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": "yesrank"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return trace.get_tracer("yesrank")
