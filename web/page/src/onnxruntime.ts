/** onnxruntime's own files: they lie beside this script, the large ones packed. A worker loads one model, once. */

import type { Device } from "../../src/rerank/index.ts";

interface Names {
  readonly factory: string;
  readonly packed: string;
}

/** Names with a hash of the content, by device; given by vite.config.ts. */
declare const ORT: { readonly wasm: Names; readonly webgpu: Names };

/** Options of Reranker.load that keep onnxruntime from looking for its files elsewhere. */
export async function onnxruntime(
  device: Device,
  signal: AbortSignal,
): Promise<{ wasmPaths: { mjs: string }; wasmBinary: ArrayBuffer }> {
  const { factory, packed } = device === "webgpu" ? ORT.webgpu : ORT.wasm;
  const wasmBinary = await unpack(new URL(packed, self.location.href), signal);
  return { wasmPaths: { mjs: new URL(factory, self.location.href).href }, wasmBinary };
}

/** Unpacks here, not by Content-Encoding, so that any static host will do; some unpack .gz by themselves, though. */
async function unpack(url: URL, signal: AbortSignal): Promise<ArrayBuffer> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url.pathname} of the page is missing (HTTP ${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
