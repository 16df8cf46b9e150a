#!/usr/bin/env bash
# The MCP Python SDK (mcp 2.3) makes the schema of a tool's structured result from its return type: a pydantic model, a
# TypedDict, or a dataclass. One would expect a dataclass with slots=True to be one, too, as pydantic itself takes it.
# It is not: the tool has no output schema, its result is sent as a text without structured content, and nothing is said
# unless structured_output=True is asked for, when the same function is refused as "not serializable". The reason is
# that the SDK reads defaults from the class, where slots leave member descriptors.
# It bites where results are frozen slotted dataclasses: clients that read structuredContent get nothing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mcp==2.3.0
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import asyncio
import dataclasses
import sys
from importlib.metadata import version

from mcp import Client
from mcp.server import MCPServer
from pydantic import TypeAdapter


@dataclasses.dataclass
class Plain:
    number: int


@dataclasses.dataclass(slots=True)
class Slotted:
    number: int


server = MCPServer("finding")


@server.tool()
def plain() -> Plain:
    return Plain(1)


@server.tool()
def slotted() -> Slotted:
    return Slotted(1)


async def main() -> dict[str, tuple[bool, object]]:
    async with Client(server) as client:
        schemas = {tool.name: tool.output_schema is not None for tool in (await client.list_tools()).tools}
        return {name: (there, (await client.call_tool(name, {})).structured_content) for name, there in schemas.items()}


found = asyncio.run(main())
print("mcp", version("mcp"), "pydantic", version("pydantic"))
print("pydantic's own schema of the slotted one:", TypeAdapter(Slotted).json_schema()["properties"])
for name, (schema, content) in found.items():
    print(f"{name}: output schema {schema}, structured content {content}")
sys.exit(found != {"plain": (True, {"number": 1}), "slotted": (False, None)})
PYTHON
