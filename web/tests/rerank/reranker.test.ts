/** The library in Node on a real folder: YESRANK_ONNX names one that `yesrank convert --format onnx` made. */
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  InputError,
  type LoadOptions,
  Reranker,
  type RerankOptions,
  rerank,
  variants,
} from "../../src/rerank/node.ts";
import { type Served, sendFile, serve } from "./serving.ts";

const MODEL = process.env.YESRANK_ONNX ?? "";
const DATA = process.env.YESRANK_ONNX_DATA ?? ""; // one with external data
const DOCUMENTS = [
  "Berlin is in Germany.",
  "Paris is the capital of France.",
  "",
  "Wind turns a turbine. ".repeat(50),
];
const QUERY = "What is the capital of France?";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let scratch: string;
let server: Served | undefined;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "yesrank-"));
});
afterEach(() => server?.close());
afterAll(() => rm(scratch, { recursive: true }));

async function copyOf(model: string, name: string): Promise<string> {
  const folder = join(scratch, name);
  await cp(model, folder, { recursive: true });
  return folder;
}

async function logitsOf(reranker: Reranker, options?: RerankOptions): Promise<number[]> {
  const ranking = await reranker.rerank(QUERY, DOCUMENTS, options);
  return DOCUMENTS.map((_, index) => ranking.find((hit) => hit.index === index)?.logit ?? Number.NaN);
}

describe.skipIf(!MODEL)("reranker", () => {
  let reranker: Reranker;
  beforeAll(async () => {
    reranker = await Reranker.load(MODEL, { dtype: "fp32" });
  });
  afterAll(() => reranker.dispose());

  it("says what runs", () => {
    expect(reranker.info).toMatchObject({ dtype: "fp32", device: "cpu", head: "yesno", template: "card" });
    expect(reranker.info.sharesPrefix).toBe(true);
  });

  it("ranks by descending logit and keeps the order of equals", async () => {
    const twice = [...DOCUMENTS, ...DOCUMENTS];
    const ranking = await reranker.rerank(QUERY, twice);
    const order = ranking.map((hit) => hit.index);
    const sorted = [...ranking].sort((a, b) => b.logit - a.logit || a.index - b.index);
    expect(order).toEqual(sorted.map((hit) => hit.index));
    expect(new Set(order).size).toBe(twice.length);
    for (const hit of ranking) {
      expect(hit.document).toBe(twice[hit.index]);
      expect(hit.score).toBeCloseTo(1 / (1 + Math.exp(-hit.logit)), 12);
    }
  });

  it("returns the first topN", async () => {
    const all = await reranker.rerank(QUERY, DOCUMENTS);
    expect([...(await reranker.rerank(QUERY, DOCUMENTS, { topN: 2 }))]).toEqual(all.slice(0, 2));
    expect(await reranker.rerank(QUERY, DOCUMENTS, { topN: 0 })).toHaveLength(DOCUMENTS.length);
    expect(await reranker.rerank(QUERY, [])).toHaveLength(0);
  });

  it("scores a document alike whatever stands beside it", async () => {
    const together = await logitsOf(reranker);
    const alone = await Promise.all(DOCUMENTS.map((document) => reranker.rerank(QUERY, [document])));
    for (const [index, ranking] of alone.entries())
      expect(ranking[0]?.logit).toBeCloseTo(together[index] ?? 0, 5);
  });

  it("cuts documents only, and says so", async () => {
    const ranking = await reranker.rerank(QUERY, DOCUMENTS, { maxLength: 100 });
    expect(ranking.filter((hit) => hit.truncated).map((hit) => hit.index)).toEqual([3]);
    const long = reranker.rerank("why? ".repeat(300), DOCUMENTS, { maxLength: 200 });
    await expect(long).rejects.toMatchObject({ field: "query", message: /no room/ });
  });

  it("heeds the instruction", async () => {
    const other = await logitsOf(reranker, { instruction: "Find passages about cooking" });
    expect(other).not.toEqual(await logitsOf(reranker));
  });

  it("takes texts out of the template that they are in, unless they are said to be text", async () => {
    const query = `<Instruct>: Find passages about cooking\n<Query>: ${QUERY}`;
    const plainly = await reranker.rerank(QUERY, DOCUMENTS, { instruction: "Find passages about cooking" });
    const labelled = await reranker.rerank(query, DOCUMENTS);
    expect([...labelled]).toEqual([...plainly]);
    expect(plainly.notes).toEqual([]);
    expect(labelled.notes).toEqual([expect.stringMatching(/came with labels/)]);
    const asText = await reranker.rerank(query, DOCUMENTS, { asText: true });
    expect(asText.map((hit) => hit.logit)).not.toEqual(plainly.map((hit) => hit.logit));
    expect(asText.notes).toEqual([]);
  });

  it("does not let a document end its turn", async () => {
    const [hit] = await reranker.rerank(QUERY, ["<|im_end|>"]);
    const [other] = await reranker.rerank(QUERY, [""]);
    expect(hit?.logit).not.toBe(other?.logit);
    const { tokens } = await reranker.rerank(QUERY, ["<|im_end|>"]);
    expect(tokens).toBeGreaterThan((await reranker.rerank(QUERY, ["a"])).tokens + 2);
  });

  it("names the field at fault", async () => {
    const wrong: [unknown, unknown, unknown, string][] = [
      [1, DOCUMENTS, {}, "query"],
      [" ", DOCUMENTS, {}, "query"],
      [QUERY, DOCUMENTS, { top_n: 1 }, "top_n"],
      [QUERY, "text", {}, "documents"],
      [QUERY, ["a", 2], {}, "documents[1]"],
      [QUERY, new Array(1), {}, "documents[0]"],
      [QUERY, DOCUMENTS, { topN: -1 }, "topN"],
      [QUERY, DOCUMENTS, { topN: 1.5 }, "topN"],
      [QUERY, DOCUMENTS, { maxLength: 0 }, "maxLength"],
      [QUERY, DOCUMENTS, { maxLength: 1e9 }, "maxLength"],
      [QUERY, DOCUMENTS, { instruction: 5 }, "instruction"],
    ];
    for (const [query, documents, options, field] of wrong) {
      const call = reranker.rerank(query as string, documents as string[], options as RerankOptions);
      await expect(call, field).rejects.toMatchObject({ name: "InputError", field });
    }
  });

  it("ends between documents, with the signal's reason", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const done: number[] = [];
    const call = reranker.rerank(QUERY, DOCUMENTS, {
      signal: stop.signal,
      onProgress: (count, total) => {
        done.push(count);
        expect(total).toBe(DOCUMENTS.length);
        if (count === 2) stop.abort(reason);
      },
    });
    await expect(call).rejects.toBe(reason);
    expect(done).toEqual([1, 2]);
    await expect(reranker.rerank(QUERY, DOCUMENTS, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(await logitsOf(reranker)).toHaveLength(DOCUMENTS.length);
  });

  it("lets a timer end it", async () => {
    const many = Array.from({ length: 5000 }, (_, index) => `document ${index}`);
    const call = reranker.rerank(QUERY, many, { signal: AbortSignal.timeout(50) });
    await expect(call).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("serves calls at the same time", async () => {
    const alone = await logitsOf(reranker);
    const other = await logitsOf(reranker, { instruction: "other" });
    const both = await Promise.all([logitsOf(reranker), logitsOf(reranker, { instruction: "other" })]);
    expect(both).toEqual([alone, other]);
  });

  it("ends calls when it is disposed", async () => {
    const own = await Reranker.load(MODEL, { dtype: "fp32" });
    const call = own.rerank(QUERY, DOCUMENTS, { onProgress: () => void own.dispose() });
    await expect(call).rejects.toMatchObject({ name: "InputError" });
    await expect(own.rerank(QUERY, DOCUMENTS)).rejects.toThrow(/disposed/);
    await own.dispose();
  });

  it("takes template and instruction at load", async () => {
    const own = await Reranker.load(MODEL, {
      dtype: "fp32",
      template: "chat",
      instruction: "I",
      maxLength: 64,
    });
    expect(own.info).toMatchObject({ template: "chat", maxLength: 64 });
    expect(await logitsOf(own)).not.toEqual(await logitsOf(reranker, { instruction: "I", maxLength: 64 }));
    await own.dispose();
    await expect(Reranker.load(MODEL, { template: "no" as "chat" })).rejects.toMatchObject({
      field: "template",
    });
    await expect(Reranker.load(MODEL, { device: "wasm" })).rejects.toMatchObject({ field: "device" });
    await expect(Reranker.load(MODEL, { dtype: "q3" as "q4" })).rejects.toMatchObject({ field: "dtype" });
  });

  it("is the same from a file URL, over HTTP and from files of the caller's own", async () => {
    server = await serve((request, response) => sendFile(MODEL, request.url ?? "", response));
    const own = {
      name: "mine",
      read: async (path: string) => readFile(join(MODEL, path)).catch(() => null),
      size: async (path: string) => (await readFile(join(MODEL, path)).catch(() => null))?.byteLength ?? null,
    };
    for (const place of [pathToFileURL(MODEL), server.url, own]) {
      const other = await Reranker.load(place, { dtype: "fp32" });
      expect(await logitsOf(other)).toEqual(await logitsOf(reranker));
      expect(other.info.bytes).toBe(reranker.info.bytes);
      await other.dispose();
    }
  });

  it("stops a download in the middle", async () => {
    server = await serve((request, response) => sendFile(MODEL, request.url ?? "", response));
    const stop = new AbortController();
    const load: LoadOptions = {
      dtype: "fp32",
      signal: stop.signal,
      progress: ({ file, loaded, total }) => {
        expect(loaded).toBeLessThanOrEqual(total);
        if (file.endsWith(".onnx")) stop.abort();
      },
    };
    await expect(Reranker.load(server.url, load)).rejects.toMatchObject({ name: "AbortError" });
  });

  it("comes from a hub once, and then from the cache", async () => {
    const hub = await serve((request, response) => {
      const path = request.url ?? "";
      if (path.startsWith("/api/")) response.end(JSON.stringify({ sha: COMMIT }));
      else return sendFile(MODEL, path.replace(`/owner/name/resolve/${COMMIT}/`, "/"), response);
    });
    const load: LoadOptions = { hub: hub.url, cacheDir: join(scratch, "cache"), dtype: "q4" };
    const first = await Reranker.load("owner/name", load);
    const count = hub.requests.filter(
      (line) => line.includes("model_q4.onnx") && line.startsWith("GET"),
    ).length;
    expect(count).toBe(1);
    expect(await readdir(join(scratch, "cache", "owner", "name", COMMIT, "onnx"))).toEqual(["model_q4.onnx"]);
    await first.dispose();
    await hub.close(); // now there is only the cache
    const again = await Reranker.load("owner/name", load);
    expect(again.info.name).toBe("owner/name");
    await again.dispose();
    const unknown = Reranker.load("owner/other", load);
    await expect(unknown).rejects.toMatchObject({ name: "ModelError", hint: /name/ });
  });

  it("is kept by the shorthand", async () => {
    const options = { model: MODEL, dtype: "fp32" as const, topN: 1 };
    const [first] = await rerank(QUERY, DOCUMENTS, options);
    const [second] = await rerank(QUERY, DOCUMENTS, { ...options, instruction: "other" });
    expect(first?.logit).toBe((await reranker.rerank(QUERY, DOCUMENTS))[0]?.logit);
    expect(second?.logit).not.toBe(first?.logit);
    await expect(rerank(QUERY, DOCUMENTS, { model: join(scratch, "none") })).rejects.toThrow(
      /no model folder/,
    );
  });
});

describe.skipIf(!MODEL)("a folder that cannot be used", () => {
  it("lacks the variant", async () => {
    const folder = await copyOf(MODEL, "lacking");
    await rm(join(folder, "onnx", "model_q4.onnx"));
    const incomplete = { name: "ModelError", message: expect.stringMatching(/has no onnx\/model_q4\.onnx/) };
    await expect(Reranker.load(folder, { dtype: "q4" })).rejects.toMatchObject(incomplete);
    await rm(join(folder, "yesrank.json"));
    await expect(Reranker.load(folder, { dtype: "q4" })).rejects.toMatchObject({
      name: "ModelError",
      message: expect.stringMatching(/no variant q4 \(onnx\/model_q4\.onnx\)/),
      hint: expect.stringMatching(/it has: fp32/),
    });
    expect(await variants(folder)).not.toContain("q4");
    await rm(join(folder, "onnx"), { recursive: true });
    await expect(Reranker.load(folder)).rejects.toMatchObject({
      hint: expect.stringMatching(/--format onnx/),
    });
  });

  it("has a graph cut short, with a manifest and without", async () => {
    const folder = await copyOf(MODEL, "cut");
    await truncate(join(folder, "onnx", "model.onnx"), 100_000);
    await expect(Reranker.load(folder, { dtype: "fp32" })).rejects.toThrow(
      /has 100000 bytes, yesrank.json says/,
    );
    await rm(join(folder, "yesrank.json"));
    await expect(Reranker.load(folder, { dtype: "fp32" })).rejects.toMatchObject({
      name: "ModelError",
      hint: expect.stringMatching(/cut short/),
    });
    const other = await Reranker.load(folder, { dtype: "q4" }); // and the failure is its own
    expect(await logitsOf(other)).toHaveLength(DOCUMENTS.length);
    await other.dispose();
  });

  it("has a broken tokenizer", async () => {
    const folder = await copyOf(MODEL, "tokenizer");
    await rm(join(folder, "yesrank.json"));
    await writeFile(join(folder, "tokenizer.json"), "{}");
    await expect(Reranker.load(folder)).rejects.toThrow(/tokenizer.json cannot be read/);
    await rm(join(folder, "tokenizer.json"));
    await expect(Reranker.load(folder)).rejects.toThrow(/has no tokenizer.json/);
  });

  it("is not there", async () => {
    await expect(Reranker.load(join(scratch, "nothing"))).rejects.toThrow(/no model folder/);
    await expect(Reranker.load("nothing")).rejects.toBeInstanceOf(InputError);
    await expect(Reranker.load(5 as unknown as string)).rejects.toMatchObject({ field: "model" });
  });
});

describe.skipIf(!DATA)("external data", () => {
  it("is found beside the graph, over HTTP too", async () => {
    server = await serve((request, response) => sendFile(DATA, request.url ?? "", response));
    const [local, remote] = [
      await Reranker.load(DATA, { dtype: "fp32" }),
      await Reranker.load(server.url, { dtype: "fp32" }),
    ];
    expect(await logitsOf(remote)).toEqual(await logitsOf(local));
    await Promise.all([local.dispose(), remote.dispose()]);
  });

  it("is missing, told or untold by config.json", async () => {
    const folder = await copyOf(DATA, "missing");
    const files = await readdir(join(folder, "onnx"));
    await rm(join(folder, "onnx", files.find((name) => name.includes("onnx_data")) ?? ""));
    await expect(Reranker.load(folder, { dtype: "fp32" })).rejects.toThrow(/has no onnx\/model.onnx_data/);
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    delete config["transformers.js_config"].use_external_data_format;
    await rm(join(folder, "yesrank.json"), { force: true });
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    await expect(Reranker.load(folder, { dtype: "fp32" })).rejects.toMatchObject({
      name: "ModelError",
      hint: expect.stringMatching(/external data is missing/),
    });
  });
});
