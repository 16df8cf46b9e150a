/** Model folders that are read over HTTP. */
import { InputError, ModelError } from "./errors.ts";
import type { LoadOptions, ModelFiles, ReadOptions } from "./types.ts";

export const HUB = "https://huggingface.co";

/** A folder on a web server. */
export class HttpFiles implements ModelFiles {
  readonly name: string;
  readonly base: string;
  readonly #fetch: typeof globalThis.fetch;

  /** base: URL of the folder. name: for messages, its URL by default. */
  constructor(base: string, fetch: typeof globalThis.fetch | undefined, name = base) {
    this.base = base.endsWith("/") ? base : `${base}/`;
    this.name = name;
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  url(path: string): string {
    const url = new URL(this.base);
    url.pathname += path; // a query of the folder's URL (a signature) is that of its files
    return url.href;
  }

  async read(path: string, options: ReadOptions): Promise<Uint8Array | null> {
    const response = await this.open(path, options);
    return response ? readBody(response, `${this.name}: ${path}`, options) : null;
  }

  async size(path: string, { signal }: ReadOptions): Promise<number | null | undefined> {
    const response = await this.open(path, { signal }, "HEAD");
    if (!response) return null;
    return contentLength(response);
  }

  /** The response to a request for a file; null where there is none. Throws ModelError for other failures. */
  async open(path: string, { signal }: ReadOptions, method = "GET"): Promise<Response | null> {
    let response: Response;
    try {
      response = await this.#fetch(this.url(path), { method, signal: signal ?? null });
    } catch (error) {
      signal?.throwIfAborted();
      throw new ModelError(`${this.url(path)} cannot be reached: ${message(error)}`, undefined, {
        cause: error,
      });
    }
    if (response.status === 404 || isErrorPage(response, path)) return null;
    if (response.ok) return response;
    const hint =
      response.status === 401 || response.status === 403
        ? "the server wants a login: give a fetch that sends it, or check the model's name"
        : undefined;
    throw new ModelError(`${this.url(path)}: HTTP ${response.status} ${response.statusText}`, hint);
  }
}

/** A model of a hub, at one revision. */
export function hubUrl(id: string, options: LoadOptions, hub: string): string {
  return `${hub.replace(/\/+$/, "")}/${id}/resolve/${encodeURIComponent(options.revision ?? "main")}/`;
}

/** Whether a string is a name such as "Qwen/Qwen3-Reranker-0.6B". */
export function isHubId(model: string): boolean {
  return /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(model);
}

/**
 * The name on a hub that is asked for: `hf:owner/name`, or `owner/name` with an option that only a hub has. undefined
 * for anything else: `models/judge` may be a folder that is not there, and no server is to hear of it.
 */
export function hubIdOf(model: string, { hub, revision }: LoadOptions): string | undefined {
  const id = model.replace(/^hf:/, "");
  const asked = id !== model || hub !== undefined || revision !== undefined;
  return asked && isHubId(id) ? id : undefined;
}

/** For a model that is neither a name nor a place. folder: how a folder would be given here. */
export function unknownPlace(model: string, folder: string): InputError {
  const name = isHubId(model) ? model : "owner/name";
  const what = isHubId(model) ? "is neither a folder here nor asked of a hub" : "is no place of a model";
  return new InputError(
    "model",
    `${JSON.stringify(model)} ${what}`,
    `give ${folder}, the URL of a folder, or "hf:${name}" for a model of the Hugging Face hub`,
  );
}

/** Reads a response to its end. Throws ModelError where it ends early. */
export async function readBody(
  response: Response,
  what: string,
  { signal, onBytes }: ReadOptions,
): Promise<Uint8Array> {
  const expected = contentLength(response);
  let bytes = new Uint8Array(expected ?? 0);
  let length = 0;
  for await (const chunk of chunksOf(response, what, signal)) {
    if (length + chunk.byteLength > bytes.byteLength) bytes = grown(bytes, length + chunk.byteLength);
    bytes.set(chunk, length);
    length += chunk.byteLength;
    onBytes?.(chunk.byteLength);
  }
  if (expected !== undefined && length !== expected) {
    throw new ModelError(`${what} has ${length} bytes, the server said ${expected}`, "load the model again");
  }
  return length === bytes.byteLength ? bytes : bytes.slice(0, length);
}

/** The parts of a body as they arrive. Throws ModelError where the connection breaks. */
export async function* chunksOf(
  response: Response,
  what: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      signal?.throwIfAborted();
      yield part.value;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new ModelError(`${what} cannot be read to its end: ${message(error)}`, "load the model again", {
      cause: error,
    });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function grown(bytes: Uint8Array, least: number): Uint8Array<ArrayBuffer> {
  const more = new Uint8Array(Math.max(least, 2 * bytes.byteLength));
  more.set(bytes);
  return more;
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** undefined where unknown: the length of a compressed answer is not that of the file. */
export function contentLength(response: Response): number | undefined {
  const length = response.headers.get("content-length");
  return length === null || response.headers.get("content-encoding") ? undefined : Number(length);
}

/** Servers of single-page applications answer 200 with their page where there is no file. */
function isErrorPage(response: Response, path: string): boolean {
  return !path.endsWith(".html") && (response.headers.get("content-type") ?? "").startsWith("text/html");
}
