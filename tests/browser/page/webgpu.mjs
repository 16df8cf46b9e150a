// The page where Chromium offers WebGPU, if only in software, which lacks shader-f16.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asked, EXAMPLE, given, onPage, rank, useBrowser } from "./harness.mjs";

useBrowser(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]);
const { url } = given;

test("WebGPU ranks as the server does, and variants that need shader-f16 cannot be chosen", (context) =>
  onPage(url, async (page) => {
    const features = await page.evaluate(async () => {
      const adapter = await navigator.gpu?.requestAdapter();
      return adapter ? [...adapter.features] : null;
    });
    if (features === null) return context.skip("this Chromium offers no WebGPU adapter, not even in software");
    await page.check("input[value=browser]");
    await page.selectOption("#model", "small-onnx");
    await page.waitForFunction(() => !document.querySelector("#device option[value=webgpu]").disabled);
    await page.selectOption("#device", "webgpu");
    const off = await page.$$eval("#dtype option", (options) => options.filter((option) => option.disabled).map((option) => option.value));
    const half = features.includes("shader-f16");
    assert.deepEqual(off, half ? [] : ["q4f16", "fp16"]);
    assert.equal(await page.isVisible("#device-note"), !half);
    await page.selectOption("#dtype", "fp32");
    const shown = await rank(page, EXAMPLE.query, EXAMPLE.documents);
    const expected = await asked(url, "small", EXAMPLE.query, EXAMPLE.documents);
    assert.deepEqual(shown.map((row) => row.index), expected.map((row) => row.index));
    for (const [place, { relevance_score: logit }] of expected.entries()) assert.ok(Math.abs(shown[place].logit - logit) < 0.05);
    assert.match(await page.innerText("#timing"), /on the GPU/);
  }));
