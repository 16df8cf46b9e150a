import { afterEach, describe, expect, it } from "vitest";
import { ModelError } from "../../src/rerank/errors.ts";
import { HttpFiles, isHubId } from "../../src/rerank/files.ts";
import { type Served, serve } from "./serving.ts";

let server: Served | undefined;
afterEach(() => server?.close());

const BYTES = Buffer.alloc(300_000, "abc");

async function files(answer: Parameters<typeof serve>[0]): Promise<HttpFiles> {
  server = await serve(answer);
  return new HttpFiles(`${server.url}/a model`, undefined);
}

describe("files over HTTP", () => {
  it("are read with progress", async () => {
    const folder = await files((_, response) =>
      response.writeHead(200, { "content-length": BYTES.length }).end(BYTES),
    );
    const parts: number[] = [];
    const read = await folder.read("onnx/model.onnx", { onBytes: (bytes) => parts.push(bytes) });
    expect(read && Buffer.from(read).equals(BYTES)).toBe(true);
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(BYTES.length);
    expect(server?.requests).toEqual(["GET /a%20model/onnx/model.onnx"]);
  });

  it("are read where no length is told", async () => {
    const folder = await files((_, response) => {
      response.write(BYTES);
      response.end(BYTES);
    });
    expect(await folder.size("x", {})).toBeUndefined();
    expect((await folder.read("x", {}))?.byteLength).toBe(2 * BYTES.length);
  });

  it("are null where there is none, also where a page stands in for it", async () => {
    const folder = await files((request, response) => {
      if (request.url?.endsWith("a")) response.writeHead(404).end();
      else response.writeHead(200, { "content-type": "text/html" }).end("<title>App</title>");
    });
    expect(await folder.read("a", {})).toBeNull();
    expect(await folder.read("config.json", {})).toBeNull();
    expect(await folder.size("config.json", {})).toBeNull();
  });

  it("tell of a server's refusal", async () => {
    const folder = await files((_, response) => response.writeHead(403).end());
    await expect(folder.read("x", {})).rejects.toMatchObject({ name: "ModelError", hint: /login/ });
  });

  it("tell of a connection that breaks", async () => {
    const folder = await files((_, response) => {
      response.writeHead(200, { "content-length": BYTES.length });
      response.write(BYTES.subarray(0, 1000), () => response.destroy());
    });
    await expect(folder.read("x", {})).rejects.toThrow(ModelError);
  });

  it("tell of a server that is not there", async () => {
    const folder = await files((_, response) => response.end());
    await server?.close();
    await expect(folder.read("x", {})).rejects.toThrow(/cannot be reached/);
  });

  it("stop in the middle, with the signal's reason", async () => {
    const folder = await files((_, response) => {
      response.writeHead(200, { "content-length": BYTES.length });
      response.write(BYTES.subarray(0, 1000)); // and never more
    });
    const stop = new AbortController();
    const reason = new Error("enough");
    const reading = folder.read("x", { signal: stop.signal, onBytes: () => stop.abort(reason) });
    await expect(reading).rejects.toBe(reason);
  });
});

describe("names of a hub", () => {
  it("have an owner", () => {
    const ids = ["Qwen/Qwen3-Reranker-0.6B", "a/b.c", "Qwen3", "./a/b", "a/b/c", "../b", "/a/b", "a/..", ""];
    expect(ids.filter(isHubId)).toEqual(["Qwen/Qwen3-Reranker-0.6B", "a/b.c"]);
  });
});
