"""The tools as a server of the Model Context Protocol, by its official SDK."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any

from pydantic import Field

from yesrank.errors import InputError, MissingExtra, YesrankError
from yesrank.mcp.tools import ReadResult, RerankResult, SearchResult, Tools

_ABOUT = (
    "Searches the files that the user of this machine has indexed, and ranks texts. Begin with `search`; a hit's "
    "passage number goes to `read_passage` to read on. Everything runs on this machine."
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
Query = Annotated[str, Field(description="A question or a few words, in the language of the files.")]
IndexName = Annotated[str, Field(description="Which index; may be left empty where there is one only.")]


def server(tools: Tools) -> Any:
    """An MCPServer with the tools. Raises MissingExtra."""
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    except ImportError:
        raise MissingExtra("mcp", "mcp") from None

    @contextmanager
    def told() -> Iterator[None]:
        """Ours as the one kind of error whose text reaches the client, with the next step."""
        try:
            yield
        except YesrankError as error:
            raise ToolError(
                f"{error.message}\nnext: {error.hint}" if error.hint else error.message
            ) from error

    made = MCPServer("yesrank", instructions=_ABOUT, version=version("yesrank"), log_level="WARNING")

    @made.tool()
    def search(
        query: Query,
        index: IndexName = "",
        top: Annotated[int, Field(description="How many passages come back, 1 to 1000.")] = 5,
        candidates: Annotated[int, Field(description="How many passages the model judges, 1 to 1000.")] = 50,
    ) -> SearchResult:
        """Find passages in the user's own files that answer a query: best first, each with its best sentence."""
        with told():
            return tools.search(query, index, top, candidates)

    @made.tool()
    def rerank(
        query: Query,
        documents: Annotated[list[str], Field(description="Texts to be put in order, at most 1000.")],
        top_n: Annotated[int, Field(description="How many come back; 0 for all.")] = 0,
        instruction: Annotated[
            str, Field(description="What makes a document relevant, in one sentence.")
        ] = "",
    ) -> RerankResult:
        """Order texts by how well each answers a query."""
        with told():
            return tools.rerank(query, documents, top_n, instruction)

    @made.tool()
    def read_passage(
        number: Annotated[int, Field(description="A passage's number, from a hit of search.")],
        index: IndexName = "",
        before: Annotated[int, Field(description="How many passages before it in the file, 0 to 50.")] = 1,
        after: Annotated[int, Field(description="How many passages after it in the file, 0 to 50.")] = 1,
    ) -> ReadResult:
        """Read a passage of a file with what stands around it."""
        with told():
            return tools.read_passage(number, index, before, after)

    return made


def run_stdio(tools: Tools) -> None:
    """Serves one client on standard input and output, until it ends them."""
    server(tools).run("stdio")


def run_http(tools: Tools, host: str, port: int, listening: Callable[[str], None]) -> None:
    """Serves on http://HOST:PORT/mcp until it is interrupted. Raises InputError for an address beyond this machine.

    listening: told the address once it is bound.
    """
    import uvicorn

    if host not in _LOOPBACK:
        raise InputError(
            "host",
            f"{host} can be reached from other machines, and there are no keys here",
            "leave --host away; for others, put a proxy with a login in front",
        )
    app = server(tools).streamable_http_app(host=host)
    running = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning"))
    listener = running.config.bind_socket()
    listener.listen()  # from now on clients may come; they are answered when it runs
    shown = f"[{host}]" if ":" in host else host
    listening(f"http://{shown}:{listener.getsockname()[1]}/mcp")
    running.run(sockets=[listener])
