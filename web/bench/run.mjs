// Sizes, load times and pairs a second of a folder's variants, in Node and in headless Chromium. JSON on stdout.
//
//   npm run build && node bench/run.mjs FOLDER [--where node,wasm,wasm-threads,webgpu] [--dtypes q4,int8]
//       [--count 20] [--words 120] [--runs 3] [--chromium /usr/bin/chromium] [--flags "--enable-unsafe-webgpu ..."]
//
// Every measurement has a process or a browser of its own. Progress goes to stderr.
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { cpus } from "node:os";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import * as library from "../dist/node.js";
import { measure } from "./work.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    where: { type: "string", default: "node,wasm,wasm-threads" },
    dtypes: { type: "string" },
    count: { type: "string", default: "20" },
    words: { type: "string", default: "120" },
    runs: { type: "string", default: "3" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    flags: { type: "string", default: "" },
    one: { type: "string" },
  },
});

if (values.one) {
  console.log(JSON.stringify(await measure(library, JSON.parse(values.one))));
} else {
  await all(resolve(positionals[0] ?? "."));
}

async function all(folder) {
  const dtypes = values.dtypes?.split(",") ?? (await library.variants(folder));
  const size = { count: Number(values.count), words: Number(values.words), runs: Number(values.runs) };
  const results = [];
  for (const where of values.where.split(",")) {
    for (const dtype of dtypes) {
      const job = { ...size, dtype };
      const run = where === "node" ? inNode({ ...job, model: folder }) : inChromium(where, folder, job);
      const result = await run.catch((error) => ({ dtype, error: String(error).split("\n")[0] }));
      results.push({ where, ...result });
      console.error(where, dtype, result.error ?? `${result.pairsASecond.toFixed(1)} pairs a second`);
    }
  }
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  console.log(JSON.stringify({ folder, machine, ...size, results }, null, 1));
}

async function inNode(job) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--one", JSON.stringify(job)]);
  let [out, err] = ["", ""];
  child.stdout.on("data", (part) => (out += part));
  child.stderr.on("data", (part) => (err += part));
  const code = await new Promise((ended) => child.on("close", ended));
  if (code !== 0) throw new Error(err.slice(-300));
  return JSON.parse(out);
}

async function inChromium(where, folder, job) {
  const isolated = where === "wasm-threads";
  const server = await serve(
    { model: folder, dist: join(HERE, "../dist"), bench: HERE, node_modules: join(HERE, "../node_modules") },
    isolated,
  );
  const browser = await chromium.launch({
    executablePath: values.chromium,
    chromiumSandbox: process.getuid?.() !== 0,
    args: ["--disable-background-networking", "--no-first-run", ...values.flags.split(" ").filter(Boolean)],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/bench/page.html`);
    await page.waitForFunction(() => globalThis.ready);
    const device = where.startsWith("wasm") ? "wasm" : where;
    const told = await page.evaluate((given) => globalThis.measure(given), {
      ...job,
      model: "/model",
      device,
    });
    return { browser: browser.version(), ...told };
  } finally {
    await browser.close();
    server.close();
  }
}

async function serve(roots, isolated) {
  const server = createServer(async (request, response) => {
    const [, first, ...rest] = new URL(request.url, "http://localhost").pathname.split("/");
    const file = roots[first] && join(roots[first], ...rest.map(decodeURIComponent));
    const found = file && (await stat(file).catch(() => undefined));
    if (!found?.isFile()) return response.writeHead(404).end();
    const headers = {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "content-length": found.size,
    };
    if (isolated) {
      headers["cross-origin-opener-policy"] = "same-origin";
      headers["cross-origin-embedder-policy"] = "require-corp";
    }
    response.writeHead(200, headers);
    return request.method === "HEAD" ? response.end() : createReadStream(file).pipe(response);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return server;
}
