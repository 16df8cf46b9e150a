"""`yesrank serve`: the HTTP server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yesrank.cli import output
from yesrank.cli.opening import described
from yesrank.cli.options import EngineName, Precision
from yesrank.errors import InputError

if TYPE_CHECKING:
    from yesrank.serve.settings import Settings

_NO_KEY = (
    "warning: {host} can be reached from other machines, and no API key is set: anyone there may use this server "
    "(set YESRANK_API_KEYS or --api-key-file, or leave --host away)"
)


def serve(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME...]",
            help="Names or folders to serve, the first as default; without any, all stored, else the built-in one.",
            show_default=False,
        ),
    ] = None,
    *,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="Address to listen on; 127.0.0.1 if not set."),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="8000 if not set; 0 for any that is free.")
    ] = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            "--api-key",
            metavar="KEY",
            help="Key that clients must send; may be given several times. Others on this machine can see it in the "
            "list of processes: YESRANK_API_KEYS or a file is better.",
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", metavar="FILE", help="File with one key a line.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", "-d", metavar="DEVICE", help="Instead of the models' own device."),
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option("--precision", "-p", help="Instead of the models' own precision.")
    ] = None,
    engine: Annotated[
        EngineName | None, typer.Option("--engine", help="Instead of the models' own engine.")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option("--variant", metavar="q8|q4|...", help="Instead of the models' own ONNX variant."),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--cors-origin",
            metavar="ORIGIN",
            help="Web origin that may call from a browser, or *; none if not set.",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed-host",
            metavar="NAME",
            help="Name that clients reach the server by, such as a proxy's, or *; may be given several times.",
        ),
    ] = None,
    max_queue_tokens: Annotated[
        int | None, typer.Option("--max-queue-tokens", help="Tokens that may wait; more are answered 429.")
    ] = None,
    max_queue_requests: Annotated[
        int | None,
        typer.Option("--max-queue-requests", help="Requests that may wait; more are answered 429."),
    ] = None,
    max_body_bytes: Annotated[
        int | None, typer.Option("--max-body-bytes", help="Size of a request's body; larger is answered 413.")
    ] = None,
    max_documents: Annotated[
        int | None, typer.Option("--max-documents", help="Documents of a request; more are answered 413.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", help="For one request; then it is answered 504."),
    ] = None,
    idle_unload: Annotated[
        float | None,
        typer.Option("--idle-unload", metavar="SECONDS", help="Unload a model that nobody used for so long."),
    ] = None,
    unknown_model: Annotated[
        str | None,
        typer.Option(
            "--unknown-model",
            metavar="refuse|default",
            help="What a request that names no model of this server gets: 404 (without this), or the default model.",
        ),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            "--alias",
            metavar="NAME[=MODEL]",
            help="Another name for the default model, or for MODEL; may be given several times.",
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            "--shape",
            metavar="cohere|jina|...",
            help="Shape of the answer to a plain body, which could be of several services: cohere (without this), "
            "jina, infinity, voyage, openarc, openrouter or sglang. A model's own goes before it.",
        ),
    ] = None,
    index: Annotated[
        list[str] | None,
        typer.Option(
            "--index",
            metavar="NAME",
            help="Index (yesrank index) that /v1/search may search; may be given several times. None if not set: "
            "whoever may ask the server may read what is in it.",
        ),
    ] = None,
    watchdog: Annotated[
        float | None,
        typer.Option(
            "--watchdog",
            metavar="SECONDS",
            help="End the process, with code 70, when nothing in it has moved for so long; 60 if not set, 0 for never.",
        ),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option("--log-format", metavar="text|json", help="Format of log lines on stderr.")
    ] = None,
    root_path: Annotated[
        str | None,
        typer.Option(
            "--root-path", metavar="PATH", help="Path that a proxy in front takes off, for links in /docs."
        ),
    ] = None,
    preload: Annotated[bool, typer.Option("--preload", help="Load all models at the start.")] = False,
    lazy: Annotated[
        bool, typer.Option("--lazy", help="Load no model before it is used or /ready is asked.")
    ] = False,
) -> None:
    """Answer rerank requests over HTTP: Cohere, Jina, TEI, Voyage, vLLM and OpenArc clients work as they are.

    Every option has an environment variable, such as YESRANK_SERVE_PORT; YESRANK_API_KEYS holds keys. See
    docs/serving.md. SIGTERM finishes what was accepted, then ends with code 0.
    """
    from yesrank.serve.settings import Settings, read_keys

    if preload and lazy:
        raise InputError("lazy", "cannot be given together with --preload")
    keys = (*(api_key or ()), *(read_keys(api_key_file) if api_key_file else ()))
    flags: dict[str, Any] = {
        "names": _names(names or []) or None,
        "host": host,
        "port": port,
        "api_keys": keys or None,
        "cors_origins": tuple(cors_origin or ()) or None,
        "allowed_hosts": tuple(allowed_host or ()) or None,
        "device": device,
        "precision": precision and precision.value,
        "engine": engine and engine.value,
        "variant": variant,
        "max_queue_tokens": max_queue_tokens,
        "max_queue_requests": max_queue_requests,
        "max_body_bytes": max_body_bytes,
        "max_documents": max_documents,
        "timeout": timeout,
        "idle_unload": idle_unload,
        "unknown_model": unknown_model,
        "aliases": tuple(alias or ()) or None,
        "shape": shape,
        "indexes": tuple(index or ()) or None,
        "watchdog": watchdog,
        "log_format": log_format,
        "root_path": root_path,
        "load": "all" if preload else "none" if lazy else None,
    }
    _serve(Settings.resolve(flags))


def _names(given: list[str]) -> tuple[str, ...]:
    """The names, without the word that OpenArc has between `serve` and its options."""
    from yesrank.store import Store
    from yesrank.store.places import is_folder

    if given[:1] != ["start"] or is_folder(Path("start")) or Store().find("start") is not None:
        return tuple(given)
    output.note("note: serve start is serve here", style="dim")
    return tuple(given[1:])


def _serve(settings: "Settings") -> None:
    from yesrank.serve.app import create_app
    from yesrank.serve.models.entries import entries
    from yesrank.serve.run import bind, leave_threads_behind, run
    from yesrank.serve.signals import Signals
    from yesrank.serve.watch import logs

    signals = Signals()
    signals.listen()
    if not settings.on_loopback and not settings.api_keys:
        output.warn(_NO_KEY.format(host=settings.host), style="yellow")
    logs.set_up(settings.log_format)
    listener = bind(settings)
    try:
        offered = entries(settings)
        app = create_app(settings, offered)
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{port}"
        output.note(
            f"yesrank listens on {address}, with a page there and documentation at /docs; Ctrl-C ends it"
        )
        for place, entry in enumerate(offered):
            output.note(f"serves {described(entry)}{', the default' if not place and offered[1:] else ''}")
        run(app, settings, listener, signals)
    finally:
        listener.close()
    leave_threads_behind()
