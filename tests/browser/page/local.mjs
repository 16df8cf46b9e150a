// The page with the model in the browser: WebAssembly, files of the server and of a folder on disk.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { asked, EXAMPLE, finished, given, LOADS, onPage, problem, rank, useBrowser } from "./harness.mjs";

useBrowser();
const { url, folder, damaged, plain } = given;

async function inBrowser(page, dtype = "q8", model = "small-onnx") {
  await page.check("input[value=browser]");
  await page.selectOption("#model", model);
  if (dtype) await page.selectOption("#dtype", dtype);
}

test("the same order and scores as on the server", () =>
  onPage(url, async (page) => {
    await inBrowser(page, "fp32");
    const shown = await rank(page, EXAMPLE.query, EXAMPLE.documents);
    const expected = await asked(url, "small", EXAMPLE.query, EXAMPLE.documents);
    assert.deepEqual(shown.map((row) => row.index), expected.map((row) => row.index));
    for (const [place, { relevance_score: logit }] of expected.entries()) {
      assert.ok(Math.abs(shown[place].logit - logit) < 0.02, `${shown[place].logit} and ${logit}`);
    }
    assert.match(await page.innerText("#timing"), /small-onnx, fp32 on the CPU, \d+ threads?\. Model loaded in .+ \(\d/);
    assert.ok(await page.evaluate(() => crossOriginIsolated), "threads are possible");
  }));

test("every precision of the folder runs", () =>
  onPage(url, async (page) => {
    await page.check("input[value=browser]");
    await page.selectOption("#model", "small-onnx");
    const offered = await page.$$eval("#dtype option", (options) => options.map((option) => option.value));
    assert.deepEqual(offered, ["q8", "int8", "q4", "q4f16", "fp16", "fp32"]);
    for (const dtype of offered) {
      await page.selectOption("#dtype", dtype);
      assert.equal((await rank(page, EXAMPLE.query, EXAMPLE.documents)).length, 3);
      assert.match(await page.innerText("#timing"), new RegExp(`, ${dtype} on the CPU`));
    }
    // one worker, and those that onnxruntime makes for its other threads
    const threads = Number(/(\d+) threads?\./.exec(await page.innerText("#timing"))[1]);
    const end = Date.now() + 30_000; // the browser tells of an end some time after it
    while (page.workers().length > threads && Date.now() < end) await page.waitForTimeout(100);
    assert.equal(page.workers().length, threads, "a model that is not wanted any more is gone with its worker");
  }));

test("a loaded model is used again", () =>
  onPage(url, async (page, seen) => {
    await inBrowser(page);
    await rank(page, "q", ["a"]);
    const before = seen.requests.length;
    await rank(page, "other", ["b", "c"]);
    assert.equal(seen.requests.length, before);
    assert.doesNotMatch(await page.innerText("#timing"), /loaded/);
  }));

test("nothing that is typed leaves the browser", () =>
  onPage(url, async (page, seen) => {
    await inBrowser(page);
    assert.match(await page.innerText("#privacy"), /does not leave this browser/);
    await page.click("summary");
    await page.fill("#instruction", "zebra-instruction");
    await rank(page, "zebra-query", ["zebra-one", "zebra-two"]);
    assert.ok(seen.requests.length > 5, "requests of the worker are recorded too");
    assert.ok(seen.requests.some((request) => request.url().endsWith("onnx/model_quantized.onnx")));
    for (const request of seen.requests) {
      assert.ok(["GET", "HEAD"].includes(request.method()), `${request.method()} ${request.url()}`);
      const told = JSON.stringify([request.url(), await request.allHeaders().catch(() => request.headers()), request.postData()]);
      assert.doesNotMatch(told, /zebra/);
    }
  }));

test("the worker can reach no other host", () =>
  onPage(
    url,
    async (page) => {
      await inBrowser(page);
      await rank(page, "q", ["a"]);
      const told = await page.workers()[0].evaluate((other) => fetch(other).then(() => "reached", () => "stopped"), given.small.url);
      assert.equal(told, "stopped");
    },
    { allow: /Content Security Policy|violates/ },
  ));

test("scoring is cancelled, and the model stays", () =>
  onPage(url, async (page) => {
    await inBrowser(page);
    await rank(page, "q", ["a"]);
    const text = Array.from({ length: 2000 }, (_, index) => `${"some words ".repeat(20)}${index}`).join("\n");
    await page.setInputFiles("#file", { name: "many.txt", mimeType: "text/plain", buffer: Buffer.from(text) });
    await page.waitForSelector("#filed:not([hidden])");
    await page.click("#rank");
    await page.waitForFunction(() => /^[1-9]\d* of 2,000/.test(document.querySelector("#progress-text").textContent), null, { timeout: LOADS });
    await page.click("#cancel");
    await page.waitForFunction(() => /^Cancelled after \d+ of 2000/.test(document.querySelector("#status").textContent));
    assert.equal(await page.evaluate(() => document.activeElement.id), "rank");
    await page.click("#file-remove");
    await rank(page, "q", ["a", "b"]);
    assert.doesNotMatch(await page.innerText("#timing"), /loaded/);
  }));

test("loading is cancelled in the middle of a file, and works the next time", () =>
  onPage(url, async (page, _, context) => {
    let free;
    const held = new Promise((resolve) => {
      free = resolve;
    });
    await context.route(/model_quantized\.onnx$/, async (route) => {
      if (route.request().method() === "GET") await held;
      await route.continue().catch(() => undefined); // the request may be gone
    });
    await inBrowser(page);
    await page.fill("#query", "q");
    await page.fill("#documents", "a");
    await page.click("#rank");
    await page.waitForFunction(() => /Loading the model/.test(document.querySelector("#progress-text").textContent));
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelector("#status").textContent.startsWith("Cancelled"));
    free();
    assert.equal((await rank(page, "q", ["a", "b"])).length, 2);
  }));

test("the page goes on drawing while the model works", () =>
  onPage(url, async (page) => {
    await inBrowser(page);
    await rank(page, "q", ["a"]);
    await page.fill("#documents", Array.from({ length: 30 }, (_, index) => `${"long text ".repeat(50)}${index}`).join("\n"));
    await page.evaluate(() => {
      globalThis.ticks = 0;
      setInterval(() => { globalThis.ticks += 1; }, 20);
    });
    await page.click("#rank");
    await finished(page);
    const { ticks, seconds } = await page.evaluate(() => ({ ticks: globalThis.ticks, seconds: Number.parseFloat(document.querySelector("#timing").textContent.split(" in ")[1]) }));
    assert.ok(ticks >= 5, `${ticks} ticks in ${seconds} s`);
  }));

/** Files of a folder on disk, put into the browser's private file system, whose handles are those of the picker. */
async function pickable(page, from) {
  const list = (path) => readdirSync(join(from, path), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? list(join(path, entry.name)) : [join(path, entry.name)]));
  const wanted = list("").filter((path) => !/\.onnx/.test(path) || path.endsWith("quantized.onnx"));
  for (const path of wanted) {
    await page.evaluate(
      async ([path, base64]) => {
        const parts = path.split("/");
        let at = await (await navigator.storage.getDirectory()).getDirectoryHandle("picked", { create: true });
        for (const part of parts.slice(0, -1)) at = await at.getDirectoryHandle(part, { create: true });
        const file = await (await at.getFileHandle(parts.at(-1), { create: true })).createWritable();
        await file.write(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
        await file.close();
      },
      [path, readFileSync(join(from, path)).toString("base64")],
    );
  }
  await page.evaluate(() => {
    window.showDirectoryPicker = async () => (await navigator.storage.getDirectory()).getDirectoryHandle("picked");
  });
}

test("a folder of this computer, by the directory picker", () =>
  onPage(url, async (page, seen) => {
    await pickable(page, folder);
    await page.check("input[value=browser]");
    await page.selectOption("#model", "folder:");
    await page.click("#rank");
    assert.match(await problem(page), /no query/);
    await page.fill("#query", EXAMPLE.query);
    await page.fill("#documents", EXAMPLE.documents.join("\n"));
    await page.click("#rank");
    await page.waitForFunction(() => document.querySelector("#problem").textContent.includes("No model folder"));
    await page.click("#folder-pick");
    await page.waitForFunction(() => document.querySelector("#dtype").value === "q8");
    const here = await rank(page);
    assert.ok(!seen.requests.some((request) => request.url().includes("/models/")));
    await page.selectOption("#model", "small-onnx");
    await page.selectOption("#dtype", "q8");
    assert.deepEqual(await rank(page), here);
  }));

test("a folder of this computer, in browsers without the picker", () =>
  onPage(
    url,
    async (page) => {
      await page.check("input[value=browser]");
      await page.selectOption("#model", "folder:");
      const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#folder-pick")]);
      await chooser.setFiles(folder);
      await page.waitForFunction(() => document.querySelector("#dtype").value === "q8");
      assert.equal((await rank(page, EXAMPLE.query, EXAMPLE.documents)).length, 3);
    },
    { prepare: (page) => page.addInitScript(() => delete window.showDirectoryPicker) },
  ));

test("a folder that is none of a model says what is missing", () =>
  onPage(
    url,
    async (page) => {
      await page.check("input[value=browser]");
      await page.selectOption("#model", "folder:");
      for (const [path, words] of [[plain, /no config\.json/], [join(folder, "onnx"), /no config\.json/]]) {
        const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#folder-pick")]);
        await chooser.setFiles(path);
        assert.match(await problem(page), words);
      }
    },
    { prepare: (page) => page.addInitScript(() => delete window.showDirectoryPicker) },
  ));

test("a file that was cut short is named", () =>
  onPage(
    url,
    async (page) => {
      await page.check("input[value=browser]");
      await page.selectOption("#model", "folder:");
      const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#folder-pick")]);
      await chooser.setFiles(damaged);
      await page.fill("#query", "q");
      await page.fill("#documents", "a");
      await page.selectOption("#dtype", "q8");
      await page.click("#rank");
      assert.match(await problem(page), /model_quantized\.onnx has \d+ bytes, yesrank\.json says \d+/);
    },
    { prepare: (page) => page.addInitScript(() => delete window.showDirectoryPicker) },
  ));

test("it says that WebGPU is missing, and offers the processor", () =>
  onPage(url, async (page) => {
    await inBrowser(page);
    const present = await page.evaluate(async () => Boolean(await navigator.gpu?.requestAdapter()));
    if (!present) await page.waitForSelector("#device-note:not([hidden])");
    else await page.waitForFunction(() => !document.querySelector("#device option[value=webgpu]").disabled);
    if (!present) assert.match(await page.innerText("#device-note"), /WebGPU is missing/);
    assert.equal(await page.$eval("#device option[value=webgpu]", (option) => option.disabled), !present);
  }));

test("a model behind a key is loaded with it", () =>
  onPage(
    given.locked.url,
    async (page) => {
      await page.fill("#key", given.locked.key);
      await page.fill("#query", "q");
      await page.fill("#documents", "a");
      await page.click("#rank");
      await finished(page);
      await inBrowser(page);
      assert.equal((await rank(page, "q", ["a", "b"])).length, 2);
    },
    { allow: /401/ },
  ));
