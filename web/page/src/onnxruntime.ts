/** onnxruntime's own files: they lie beside this script, the large one packed. */

declare const ORT_FACTORY: string; // names with a hash of the content, given by vite.config.ts
declare const ORT_PACKED: string;

let unpacked: Promise<ArrayBuffer> | undefined;

/** Options of Reranker.load that keep onnxruntime from looking for them elsewhere. */
export async function onnxruntime(
  signal: AbortSignal,
): Promise<{ wasmPaths: { mjs: string }; wasmBinary: ArrayBuffer }> {
  unpacked ??= unpack(new URL(ORT_PACKED, self.location.href), signal);
  try {
    return { wasmPaths: { mjs: new URL(ORT_FACTORY, self.location.href).href }, wasmBinary: await unpacked };
  } catch (error) {
    unpacked = undefined;
    throw error;
  }
}

/** Unpacks here, not by Content-Encoding, so that any static host will do; some unpack .gz by themselves, though. */
async function unpack(url: URL, signal: AbortSignal): Promise<ArrayBuffer> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url.pathname} of the page is missing (HTTP ${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
