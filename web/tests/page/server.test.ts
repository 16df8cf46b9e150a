import { afterEach, expect, test, vi } from "vitest";
import { rank } from "../../page/src/server.ts";

afterEach(() => vi.unstubAllGlobals());

/** A server that scores every document alike, with so many of these notes in each answer. */
function serves(...notes: (string | null)[]): void {
  const left = [...notes];
  vi.stubGlobal("document", { baseURI: "http://localhost:8000/" });
  vi.stubGlobal("fetch", async (_: URL, init: RequestInit) => {
    const { documents } = JSON.parse(String(init.body)) as { documents: string[] };
    const results = documents.map((_document, index) => ({ index, relevance_score: 0 }));
    const note = left.shift() ?? null;
    const headers = note === null ? {} : { "X-Yesrank-Note": note };
    return new Response(JSON.stringify({ model: "m", results }), { headers });
  });
}

const asked = (count: number) => ({
  query: "q",
  instruction: "",
  documents: Array(count).fill("d") as string[],
});
const watch = { signal: new AbortController().signal, progress: () => undefined };

test("what the server says of how it read the request is kept, each note once", async () => {
  serves("the query came in a template; two of the documents, too", "the query came in a template", null);
  const run = await rank("m", asked(1100), "", watch);
  expect(run.results).toHaveLength(1100);
  expect(run.notes).toEqual(["the query came in a template", "two of the documents, too"]);
});

test("most answers have none", async () => {
  serves(null);
  expect((await rank("m", asked(2), "", watch)).notes).toEqual([]);
});
