/** Browsers and their workers: onnxruntime-web, files over HTTP, the Cache API for those of a hub. */
import { HttpFiles, HUB, hubIdOf, hubUrl, unknownPlace } from "./files.ts";
import type { Platform, Runtime } from "./platform.ts";
import type { Device, LoadOptions, ModelFiles, ReadOptions } from "./types.ts";

const CACHE = "yesrank";
const MOST_THREADS = 8; // more do not help a matrix of this size, and each takes memory

export const browser: Platform = { devices: ["wasm", "webgpu"], open, runtime, breathe };

async function open(model: string | URL, options: LoadOptions): Promise<ModelFiles> {
  const text = String(model);
  if (/^(https?|blob|chrome-extension|moz-extension):/.test(text) || /^\.{0,2}\//.test(text)) {
    return new HttpFiles(new URL(text, globalThis.location?.href).href, options.fetch);
  }
  const id = hubIdOf(text, options);
  if (id === undefined) throw unknownPlace(text, `a path that begins with "/" or "./"`);
  const url = hubUrl(id, options, options.hub ?? HUB);
  const cached = options.cache !== false && "caches" in globalThis;
  return cached ? new CachedFiles(url, options.fetch, id) : new HttpFiles(url, options.fetch, id);
}

/** Files of a hub, whose URLs lead to ones that change and therefore are never in the browser's HTTP cache. */
class CachedFiles extends HttpFiles {
  override async read(path: string, options: ReadOptions): Promise<Uint8Array | null> {
    const cache = await caches.open(CACHE).catch(() => undefined); // forbidden in some private windows
    const kept = await cache?.match(this.url(path));
    if (kept) {
      const bytes = new Uint8Array(await kept.arrayBuffer());
      options.onBytes?.(bytes.byteLength);
      return bytes;
    }
    const bytes = await super.read(path, options);
    if (bytes && cache) {
      const headers = { "content-length": String(bytes.byteLength) };
      const response = new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
      await cache.put(this.url(path), response).catch(() => undefined); // no room: loads again next time
    }
    return bytes;
  }

  override async size(path: string, options: ReadOptions): Promise<number | null | undefined> {
    const kept = await caches.match(this.url(path), { cacheName: CACHE }).catch(() => undefined);
    return kept ? Number(kept.headers.get("content-length")) : super.size(path, options);
  }
}

async function runtime(device: Device, options: LoadOptions): Promise<{ runtime: Runtime; threads: number }> {
  // two builds: that for WebGPU is twice the size, and slower where only wasm works
  const ort =
    device === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  const wasm = ort.env.wasm;
  if (options.wasmPaths) wasm.wasmPaths = options.wasmPaths;
  if (options.wasmBinary) wasm.wasmBinary = options.wasmBinary;
  if (!globalThis.crossOriginIsolated) wasm.numThreads = 1;
  else if (options.threads) wasm.numThreads = options.threads;
  else wasm.numThreads ||= Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
  return { runtime: ort, threads: wasm.numThreads };
}

let last = 0;

/** By a message to itself: timers of a tab in the background fire once a second. */
function breathe(): Promise<void> {
  const now = performance.now();
  if (now - last < 16) return Promise.resolve();
  last = now;
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
