/** Node: onnxruntime-node, files of this machine, a folder for those that come from a hub. */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { availableParallelism, homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DeviceError, ModelError } from "./errors.ts";
import { chunksOf, contentLength, HttpFiles, HUB, hubIdOf, hubUrl, isHubId, unknownPlace } from "./files.ts";
import type { Platform, Runtime } from "./platform.ts";
import { checkReports } from "./reports.ts";
import type { Device, LoadOptions, ModelFiles, ReadOptions } from "./types.ts";

export const node: Platform = {
  devices: ["cpu", "cuda", "coreml", "dml", "webgpu"],
  open,
  runtime,
  breathe: () => setImmediate(),
};

async function open(model: string | URL, options: LoadOptions): Promise<ModelFiles> {
  const text = String(model);
  if (/^https?:/.test(text)) return new HttpFiles(text, options.fetch);
  const path = text.startsWith("file:") ? fileURLToPath(text) : resolve(text);
  const there = text.startsWith("hf:") ? undefined : await stat(path).catch(() => undefined);
  if (there?.isDirectory()) return new LocalFiles(path);
  const id = hubIdOf(text, options);
  if (id !== undefined) return hubFiles(id, options);
  if (/^hf:/.test(text) || !/[/\\]/.test(text)) throw unknownPlace(text, "its path");
  throw new ModelError(
    `there is no model folder ${path}`,
    isHubId(text) ? `check the path; a model of the Hugging Face hub is "hf:${text}"` : "check the path",
  );
}

/** A folder of this machine. */
class LocalFiles implements ModelFiles {
  readonly name: string;

  constructor(path: string) {
    this.name = path;
  }

  async read(path: string, { signal, onBytes }: ReadOptions): Promise<Uint8Array | null> {
    const bytes = await readFile(join(this.name, path), { signal }).catch(noFile(signal));
    onBytes?.(bytes?.byteLength ?? 0);
    return bytes;
  }

  async size(path: string): Promise<number | null> {
    const found = await stat(join(this.name, path)).catch(noFile());
    return found?.isFile() ? found.size : null;
  }

  async locate(path: string, { onBytes }: ReadOptions): Promise<string | null> {
    const size = await this.size(path);
    if (size === null) return null;
    onBytes?.(size);
    return join(this.name, path);
  }
}

async function hubFiles(id: string, options: LoadOptions): Promise<ModelFiles> {
  const hub = options.hub ?? process.env.HF_ENDPOINT ?? HUB;
  const request = withToken(options.fetch ?? globalThis.fetch, hub);
  const remote = new HttpFiles(hubUrl(id, options, hub), request, id);
  if (options.cache === false) return remote;
  const root = options.cacheDir ?? process.env.YESRANK_CACHE ?? join(homedir(), ".cache", "yesrank", "npm");
  const revision = options.revision ?? "main";
  const folder = join(root, ...id.split("/"));
  const commit = await commitOf(id, revision, hub, request, folder, options.signal);
  const pinned = new HttpFiles(hubUrl(id, { revision: commit }, hub), request, id);
  return new DownloadedFiles(pinned, join(folder, commit));
}

/** Files of one commit: downloaded once, never changed. */
class DownloadedFiles implements ModelFiles {
  readonly name: string;
  readonly #remote: HttpFiles;
  readonly #local: LocalFiles;

  constructor(remote: HttpFiles, folder: string) {
    this.name = remote.name;
    this.#remote = remote;
    this.#local = new LocalFiles(folder);
  }

  async size(path: string, options: ReadOptions): Promise<number | null | undefined> {
    return (await this.#local.size(path)) ?? this.#remote.size(path, options);
  }

  async read(path: string, options: ReadOptions): Promise<Uint8Array | null> {
    const place = await this.locate(path, options);
    return place === null ? null : readFile(place, { signal: options.signal });
  }

  async locate(path: string, options: ReadOptions): Promise<string | null> {
    return (await this.#local.locate(path, options)) ?? this.#download(path, options);
  }

  /** A file appears whole or not at all. */
  async #download(path: string, options: ReadOptions): Promise<string | null> {
    const response = await this.#remote.open(path, options);
    if (!response) return null;
    const place = join(this.#local.name, path);
    const part = `${place}.${randomUUID()}.part`;
    await mkdir(dirname(place), { recursive: true });
    try {
      await pipeline(
        Readable.from(counted(response, `${this.name}: ${path}`, options)),
        createWriteStream(part),
      );
      await rename(part, place);
    } finally {
      await rm(part, { force: true });
    }
    return place;
  }
}

async function* counted(response: Response, what: string, { signal, onBytes }: ReadOptions) {
  const expected = contentLength(response);
  let length = 0;
  for await (const chunk of chunksOf(response, what, signal)) {
    length += chunk.byteLength;
    onBytes?.(chunk.byteLength);
    yield chunk;
  }
  if (expected !== undefined && length !== expected) {
    throw new ModelError(`${what} has ${length} bytes, the server said ${expected}`, "load the model again");
  }
}

/** The commit that a branch stands at: the hub's word, or what it said last where it cannot be reached. */
async function commitOf(
  id: string,
  revision: string,
  hub: string,
  request: typeof globalThis.fetch,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (/^[0-9a-f]{40}$/.test(revision)) return revision;
  const note = join(folder, "refs", encodeURIComponent(revision));
  const url = `${hub.replace(/\/+$/, "")}/api/models/${id}/revision/${encodeURIComponent(revision)}`;
  try {
    const response = await request(url, { signal: signal ?? null });
    const sha = response.ok ? ((await response.json()) as { sha?: unknown }).sha : undefined;
    if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) throw new Error(`HTTP ${response.status}`);
    await mkdir(dirname(note), { recursive: true });
    await writeFile(note, sha);
    return sha;
  } catch (error) {
    signal?.throwIfAborted();
    const last = await readFile(note, "utf8").catch(() => undefined);
    if (last !== undefined) return last;
    throw new ModelError(
      `${id} (${revision}) cannot be had from ${hub}: ${error instanceof Error ? error.message : error}`,
      "check the model's name; a private model needs HF_TOKEN; a local folder is given by its path",
      { cause: error },
    );
  }
}

/** Sends HF_TOKEN to the hub, and to nothing that it redirects to (fetch drops it there). */
function withToken(request: typeof globalThis.fetch, hub: string): typeof globalThis.fetch {
  const token = process.env.HF_TOKEN;
  if (!token) return request;
  return (input, init) => {
    const own = new URL(String(input instanceof Request ? input.url : input)).origin === new URL(hub).origin;
    const headers = new Headers(init?.headers);
    if (own) headers.set("Authorization", `Bearer ${token}`);
    return request(input, { ...init, headers });
  };
}

function noFile(signal?: AbortSignal): (error: NodeJS.ErrnoException) => null {
  return (error) => {
    signal?.throwIfAborted();
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw new ModelError(`${error.path ?? "a file"} cannot be read: ${error.message}`, undefined, {
      cause: error,
    });
  };
}

async function runtime(
  _device: Device,
  options: LoadOptions,
): Promise<{ runtime: Runtime; threads: number }> {
  checkReports();
  const runtime = await import("onnxruntime-node").catch(notInstalled);
  return { runtime, threads: options.threads ?? availableParallelism() };
}

/** It is an optional package: its own installation asks other servers than npm's, and browsers do without it. */
function notInstalled(cause: NodeJS.ErrnoException): never {
  if (cause.code !== "ERR_MODULE_NOT_FOUND" && cause.code !== "MODULE_NOT_FOUND") throw cause;
  throw new DeviceError(
    "onnxruntime-node is not installed",
    "npm install onnxruntime-node --ignore-scripts",
    { cause },
  );
}
