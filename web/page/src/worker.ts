/** Loads and runs a model beside the page, so that the page stays responsive. Texts stay in this browser. */

import { type ModelFiles, Reranker, variants, YesrankError } from "../../src/rerank/index.ts";
import type { FromWorker, Place, ToWorker } from "./messages.ts";
import { onnxruntime } from "./onnxruntime.ts";

const scope = self as unknown as DedicatedWorkerGlobalScope;
const say = (message: FromWorker): void => scope.postMessage(message);

let reranker: Reranker | undefined;
let stop = new AbortController();
/** Status of the last answer that refused a file: tells a missing key from a missing file. */
let refused = 0;

scope.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "cancel") stop.abort();
  else void answer(data);
});

async function answer(message: Exclude<ToWorker, { kind: "cancel" }>): Promise<void> {
  stop = new AbortController();
  refused = 0;
  try {
    say(await work(message));
  } catch (error) {
    say(stop.signal.aborted ? { kind: "cancelled" } : failure(error));
  }
}

async function work(message: Exclude<ToWorker, { kind: "cancel" }>): Promise<FromWorker> {
  if (message.kind === "rank") return rank(message.request);
  const { place } = message;
  const options = place.kind === "url" ? { fetch: fetcher(place.key) } : {};
  const source = place.kind === "url" ? place.url : filesOf(place);
  if (message.kind === "variants") return { kind: "variants", variants: await variants(source, options) };
  const { dtype, device } = message;
  reranker = await Reranker.load(source, {
    ...options,
    ...(await onnxruntime(device, stop.signal)),
    dtype,
    device,
    signal: stop.signal,
    progress: ({ file, loaded, total }) =>
      say({ kind: "progress", progress: { stage: file ? "load" : "start", done: loaded, total } }),
  });
  const { threads, bytes } = reranker.info;
  return {
    kind: "loaded",
    loaded: { dtype: reranker.info.dtype, device: reranker.info.device, threads, bytes },
  };
}

async function rank({
  query,
  documents,
  instruction,
}: {
  query: string;
  documents: readonly string[];
  instruction: string;
}): Promise<FromWorker> {
  if (!reranker) throw new Error("no model is loaded");
  const ranking = await reranker.rerank(query, [...documents], {
    ...(instruction ? { instruction } : {}),
    signal: stop.signal,
    onProgress: (done, total) => say({ kind: "progress", progress: { stage: "score", done, total } }),
  });
  const results = ranking.map(({ index, score, logit, truncated }) => ({ index, score, logit, truncated }));
  return { kind: "ranked", ranked: { results, tokens: ranking.tokens, notes: ranking.notes } };
}

/** Sends the key with requests for files; the page's policy keeps them from going anywhere else. */
function fetcher(key: string): typeof fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (key) headers.set("authorization", `Bearer ${key}`);
    const response = await fetch(input, { ...init, headers });
    if (!response.ok) refused = response.status;
    return response;
  };
}

function filesOf(place: Extract<Place, { kind: "files" }>): ModelFiles {
  return {
    name: place.name,
    read: async (path, { onBytes }) => {
      const file = place.files.get(path);
      if (!file) return null;
      const bytes = new Uint8Array(await file.arrayBuffer());
      onBytes?.(bytes.byteLength);
      return bytes;
    },
    size: async (path) => place.files.get(path)?.size ?? null,
  };
}

function failure(error: unknown): FromWorker {
  const message = error instanceof Error ? error.message : String(error);
  const next = error instanceof YesrankError ? error.hint : undefined;
  return { kind: "failed", message, next, status: refused };
}
