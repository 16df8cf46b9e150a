/** Builds the page into the Python package: src/yesrank/data/web. Needs Python 3 besides Node, for xz. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const HERE = dirname(fileURLToPath(import.meta.url));
const REPOSITORY = resolve(HERE, "..");
const RUNTIME = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/webgpu"));
/** Builds of onnxruntime by device; docs/web.md says why these. Each browser loads only the one that it uses. */
const BUILDS = { wasm: "ort-wasm-simd-threaded", webgpu: "ort-wasm-simd-threaded.jspi" } as const;

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

interface Shipped {
  readonly fileName: string;
  readonly source: Uint8Array;
}

function shipped(stem: string, ending: string, source: Uint8Array): Shipped {
  return { fileName: `assets/${stem}-${sha256(source).slice(0, 10)}${ending}`, source };
}

const pathOf = (device: keyof typeof BUILDS, ending: string) => resolve(RUNTIME, `${BUILDS[device]}${ending}`);

/** packed: as yesrank.serve.http.page hands it out; the package holds it in one file with the other's, see PACK. */
function filesOf(device: keyof typeof BUILDS): { factory: Shipped; packed: Shipped } {
  const read = (ending: string) => readFileSync(pathOf(device, ending));
  return {
    factory: shipped(`onnxruntime-${device}`, ".mjs", read(".mjs")),
    packed: shipped(`onnxruntime-${device}`, ".wasm.gz", read(".wasm")),
  };
}

const runtime = { wasm: filesOf("wasm"), webgpu: filesOf("webgpu") };
const nameOf = ({ fileName }: Shipped): string => fileName.replace("assets/", "");
const names = Object.fromEntries(
  Object.entries(runtime).map(([device, { factory, packed }]) => [
    device,
    { factory: nameOf(factory), packed: nameOf(packed) },
  ]),
);

/** Both builds of onnxruntime in one file: they have so much in common that it is half as large as two. */
const PACK = "onnxruntime.xz";
const devices = Object.keys(BUILDS) as (keyof typeof BUILDS)[];

function pack(): Uint8Array {
  const files = devices.map((device) => pathOf(device, ".wasm"));
  return execFileSync("python3", [resolve(HERE, "pack.py"), ...files], { maxBuffer: 1 << 26 });
}

/** onnxruntime's files under names that the worker is told; what the bundler itself makes of them is left out. */
function runtimeFiles(): Plugin {
  return {
    name: "runtime-files",
    generateBundle(_, bundle) {
      for (const name of Object.keys(bundle)) if (name.endsWith(".wasm")) delete bundle[name];
      for (const { factory } of Object.values(runtime)) this.emitFile({ type: "asset", ...factory });
      this.emitFile({ type: "asset", fileName: PACK, source: pack() });
    },
  };
}

const sources = new Set<string>();

/** Remembers which files of the repository a bundle was made of. */
function remember(): Plugin {
  return {
    name: "remember-sources",
    generateBundle() {
      for (const id of this.getModuleIds()) {
        const path = relative(REPOSITORY, id.split("?", 1)[0] ?? "");
        if (!path.startsWith("..") && !path.includes("node_modules") && !path.startsWith("\0")) sources.add(path);
      }
    },
  };
}

/**
 * build.json: hashes of all that the files were made of and of the files, for tests/unit/test_page_build.py; and what
 * is in the pack: [name, bytes], in the order that it has there.
 */
function record(): Plugin {
  return {
    name: "record-build",
    enforce: "post",
    generateBundle(_, bundle) {
      for (const path of ["page/index.html", "page/style.css", "page/icon.svg", "vite.config.ts", "pack.py", "package-lock.json"]) {
        sources.add(relative(REPOSITORY, resolve(HERE, path)));
      }
      const made = Object.values(bundle).map((file): [string, string] => [
        file.fileName,
        sha256(file.type === "chunk" ? file.code : file.source),
      ]);
      const read = [...sources].map((path): [string, string] => [
        path.split(sep).join("/"),
        sha256(readFileSync(resolve(REPOSITORY, path))),
      ]);
      const parts = devices.map((device) => [runtime[device].packed.fileName, runtime[device].packed.source.length]);
      const told = { sources: sorted(read), files: sorted(made), packed: { file: PACK, parts } };
      const source = `${JSON.stringify(told, null, 2)}\n`;
      this.emitFile({ type: "asset", fileName: "build.json", source });
    },
  };
}

function sorted(pairs: [string, string][]): Record<string, string> {
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export default defineConfig({
  root: resolve(HERE, "page"),
  base: "./", // works in any folder of a host
  define: { ORT: JSON.stringify(names) },
  resolve: {
    // the forms without the factory in the bundle: threads start from the factory's own file
    alias: [
      { find: "onnxruntime-web/wasm", replacement: resolve(RUNTIME, "ort.wasm.min.mjs") },
      { find: "onnxruntime-web/webgpu", replacement: resolve(RUNTIME, "ort.jspi.min.mjs") },
    ],
  },
  plugins: [remember(), runtimeFiles(), record()],
  worker: { format: "es", plugins: () => [remember()] },
  build: {
    outDir: resolve(REPOSITORY, "src/yesrank/data/web"),
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0, // the page's policy allows no data: addresses
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
  },
});
