import { describe, expect, it } from "vitest";
import { ModelError } from "../../src/rerank/errors.ts";
import { Folder } from "../../src/rerank/folder.ts";
import type { ModelFiles } from "../../src/rerank/types.ts";

const CONFIG = { model_type: "qwen3", max_position_embeddings: 40960 };

/** A folder whose files are the values, as JSON. */
function folderOf(files: Record<string, unknown>): ModelFiles {
  const bytes = (path: string) => {
    const value = files[path];
    if (value === undefined) return null;
    return new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
  };
  return {
    name: "folder",
    read: async (path) => bytes(path),
    size: async (path) => bytes(path)?.byteLength ?? null,
  };
}

const opened = (files: Record<string, unknown>) => Folder.open(folderOf(files), {});

describe("folder", () => {
  it("without a manifest has the card's settings", async () => {
    const folder = await opened({ "config.json": CONFIG });
    const { name } = await folder.template({});
    expect([name, folder.maxLength, folder.limit, folder.ours]).toEqual(["card", 8192, 32768, false]);
  });

  it("takes template and length from yesrank.json, and no more than the model's own limit", async () => {
    const manifest = { template: "chat", max_length: 9000, files: {} };
    const config = { ...CONFIG, max_position_embeddings: 512 };
    const folder = await opened({ "config.json": config, "yesrank.json": manifest });
    const { name } = await folder.template({});
    expect([name, folder.maxLength, folder.limit, folder.ours]).toEqual(["chat", 512, 512, true]);
  });

  it.each([
    [undefined, []],
    [true, ["onnx/model_q4.onnx_data"]],
    [2, ["onnx/model_q4.onnx_data", "onnx/model_q4.onnx_data_1"]],
    [{ "model_q4.onnx": 1 }, ["onnx/model_q4.onnx_data"]],
    [{ "model.onnx": 1 }, []],
    [{ model: true }, ["onnx/model_q4.onnx_data"]],
  ])("knows its external data: %j", async (told, names) => {
    const config = { ...CONFIG, "transformers.js_config": { use_external_data_format: told } };
    expect((await opened({ "config.json": config })).variant("q4").data).toEqual(names);
  });

  it("lists its variants", async () => {
    const files = { "config.json": CONFIG, "onnx/model.onnx": "x", "onnx/model_quantized.onnx": "x" };
    expect(await (await opened(files)).variants({})).toEqual(["fp32", "q8"]);
  });

  it("refuses what is no Qwen3", async () => {
    await expect(opened({})).rejects.toThrow(/no config.json/);
    await expect(opened({ "config.json": { model_type: "bert" } })).rejects.toThrow(/type "bert"/);
    await expect(opened({ "config.json": "{" })).rejects.toThrow(ModelError);
    await expect(opened({ "config.json": "[1]" })).rejects.toThrow(/not a JSON object/);
  });

  it("compares sizes with the manifest", async () => {
    const manifest = { files: { "onnx/model.onnx": { bytes: 5 } } };
    const files = { "config.json": CONFIG, "yesrank.json": manifest, "onnx/model.onnx": "abc" };
    const folder = await opened(files);
    await expect(folder.sizes(["onnx/model.onnx"], {})).rejects.toThrow(/has 3 bytes, yesrank.json says 5/);
    await expect(folder.read("onnx/model.onnx", {})).rejects.toThrow(/has 3 bytes/);
    await expect(folder.sizes(["onnx/other"], {})).rejects.toThrow(/has no onnx\/other/);
  });
});
