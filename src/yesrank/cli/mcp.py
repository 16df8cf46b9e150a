"""`yesrank mcp`: search and ranking for agents, in the Model Context Protocol."""

from typing import TYPE_CHECKING, Annotated

import typer

from yesrank.cli import output
from yesrank.cli.opening import described, find, open_reranker, overridden
from yesrank.cli.options import DeviceOption, EngineOption, ModelOption, PrecisionOption, VariantOption

if TYPE_CHECKING:
    from yesrank.models.reranker import Reranker


def mcp(
    *,
    index: Annotated[
        list[str] | None,
        typer.Option(
            "--index", metavar="NAME", help="Index that may be read; may be given several times; else all."
        ),
    ] = None,
    http: Annotated[
        bool,
        typer.Option(
            "--http", help="Streamable HTTP on this machine, in place of standard input and output."
        ),
    ] = False,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = 8090,
    model: ModelOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    variant: VariantOption = None,
) -> None:
    """Offer search, rerank and read_passage to agents, as a server of the Model Context Protocol.

    An agent starts it itself, with the command yesrank mcp (docs/search.md). Needs: pip install 'yesrank[mcp]'. The
    indexes are those of yesrank index; new ones are seen without a restart. The model is loaded when it is first used.
    """
    from yesrank.mcp import server
    from yesrank.mcp.tools import Tools
    from yesrank.store import BUILTIN

    entry = overridden(find(model), device=device, precision=precision, engine=engine, variant=variant)

    def opened() -> "Reranker":
        return open_reranker(entry)

    tools = Tools(tuple(index or ()), opened, fused=entry.name == BUILTIN)
    try:
        if http:
            server.run_http(
                tools, host, port, lambda address: output.note(f"MCP at {address}; Ctrl-C ends it")
            )
        else:
            output.note(f"MCP on standard input and output, with {described(entry)}")
            server.run_stdio(tools)
    finally:
        tools.close()
