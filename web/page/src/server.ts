/** The server that this page came from. */

import { bestFirst, type Request, type Run, type Scored, type Watch } from "./outcome.ts";
import { KeyNeeded, Problem } from "./problem.ts";

/** Documents and characters of one request: so that there is progress to show, and limits of a body are kept. */
const DOCUMENTS = 500;
const CHARACTERS = 4e6;

export interface ServedModel {
  readonly id: string;
  readonly state: string;
  readonly engine?: { readonly device: string; readonly precision: string };
  readonly onnx?: { readonly path: string; readonly variants: Readonly<Record<string, number>> };
}

interface Answer {
  readonly model: string;
  readonly results: readonly { index: number; relevance_score: number; truncated?: boolean }[];
  readonly usage?: { readonly total_tokens?: number };
}

/** The answer's header that says what was read otherwise than it was sent; several notes are joined. */
const NOTE = "x-yesrank-note";
const BETWEEN = "; ";

/** A path of the server, whatever prefix a proxy puts in front of the page. */
export const at = (path: string): URL => new URL(path.replace(/^\//, ""), document.baseURI);

/** Its models, the default first; null where the page comes from a static host. Throws Problem. */
export async function models(key: string): Promise<ServedModel[] | null> {
  const response = await ask("v1/models", key, {});
  if (response.status === 401) throw keyNeeded(key);
  const body: unknown = await response.json().catch(() => null);
  const data = (body as { data?: unknown } | null)?.data;
  return response.ok && Array.isArray(data) ? (data as ServedModel[]) : null;
}

/** Scores documents there. Throws Problem, or the signal's reason. */
export async function rank(model: string, request: Request, key: string, watch: Watch): Promise<Run> {
  const begun = performance.now();
  const results: Scored[] = [];
  const notes = new Set<string>(); // each part's answer has its own, mostly the same
  let tokens = 0;
  let name = model;
  const total = request.documents.length;
  for (let done = 0; done < total; ) {
    watch.progress({ stage: "score", done, total });
    const part = portion(request.documents, done);
    const answer = await score(model, { ...request, documents: part }, key, watch.signal);
    results.push(...answer.results.map((row) => scored(row, done)));
    tokens += answer.usage?.total_tokens ?? 0;
    for (const note of answer.notes) notes.add(note);
    name = answer.model;
    done += part.length;
  }
  const seconds = (performance.now() - begun) / 1e3;
  const none = { precision: null, device: null, loadSeconds: null, loadBytes: null, threads: null };
  return { model: name, results: bestFirst(results), tokens, seconds, notes: [...notes], ...none };
}

/** The next documents from `begin` on; at least one. */
function portion(documents: readonly string[], begin: number): readonly string[] {
  let end = begin;
  let characters = 0;
  while (end < documents.length && end - begin < DOCUMENTS) {
    characters += documents[end]?.length ?? 0;
    if (end > begin && characters > CHARACTERS) break;
    end += 1;
  }
  return documents.slice(begin, end);
}

async function score(
  model: string,
  request: Request,
  key: string,
  signal: AbortSignal,
): Promise<Answer & { notes: string[] }> {
  const { query, instruction, documents } = request;
  const body = { model, query, documents, raw_scores: true, ...(instruction ? { instruction } : {}) };
  const response = await ask("v1/rerank", key, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  const notes = response.headers.get(NOTE)?.split(BETWEEN) ?? [];
  if (response.ok) return { ...((await response.json()) as Answer), notes };
  throw await refusal(response, key);
}

function scored(row: Answer["results"][number], offset: number): Scored {
  const logit = row.relevance_score; // raw scores were asked for
  return {
    index: row.index + offset,
    logit,
    score: 1 / (1 + Math.exp(-logit)),
    truncated: row.truncated === true,
  };
}

async function ask(path: string, key: string, init: RequestInit): Promise<Response> {
  const headers = { ...init.headers, accept: "application/json", ...authorization(key) };
  try {
    return await fetch(at(path), { ...init, headers });
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new Problem(
      "The server cannot be reached.",
      "See whether yesrank serve is still running, then try again.",
      { cause },
    );
  }
}

/** The header that carries a key. */
export function authorization(key: string): Record<string, string> {
  return key ? { authorization: `Bearer ${key}` } : {};
}

export function keyNeeded(key: string): KeyNeeded {
  return key
    ? new KeyNeeded("The server does not know this API key.", "Correct it and press Rank again.")
    : new KeyNeeded("The server asks for an API key.", "Enter it below the model and press Rank again.");
}

const NEXT: Readonly<Record<number, string>> = {
  413: "Give fewer or shorter documents, or raise the server's limits.",
  429: "Many are asking. Wait a moment and press Rank again.",
  503: "The model is being loaded or cannot be; wait a moment, or look into the server's log.",
  504: "Give fewer documents at a time, or raise the server's timeout.",
};

async function refusal(response: Response, key: string): Promise<Problem> {
  if (response.status === 401) return keyNeeded(key);
  const body = (await response.json().catch(() => ({}))) as { message?: unknown; hint?: unknown };
  const message = typeof body.message === "string" ? body.message : `HTTP ${response.status}`;
  const next = typeof body.hint === "string" ? body.hint : NEXT[response.status];
  return new Problem(`The server refused: ${message}.`, next);
}
