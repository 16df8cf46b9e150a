/** Prompts that are in the template already: the cases that the Python package is tested on, too. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { plain } from "../../src/rerank/rendered.ts";

interface Case {
  readonly name: string;
  readonly query: string;
  readonly documents: string[];
  readonly instruction?: string;
  readonly read?: { query: string; instruction: string | null; documents: string[]; notes: string[] };
  readonly refused?: string;
}

const CASES: Case[] = JSON.parse(
  readFileSync(new URL("../../../tests/cases/rendered.json", import.meta.url), "utf8"),
);

describe("texts in the template", () => {
  it.each(CASES)("$name", ({ query, documents, instruction, read, refused }) => {
    const call = () => plain(query, documents, instruction);
    if (refused) return expect(call).toThrow(expect.objectContaining({ name: "InputError", field: refused }));
    const found = call();
    expect({ ...found, instruction: found.instruction ?? null }).toEqual(read);
  });
});
