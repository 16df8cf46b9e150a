/** Builds the page into the Python package: src/yesrank/data/web. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
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

function filesOf(device: keyof typeof BUILDS): { factory: Shipped; packed: Shipped } {
  const read = (ending: string) => readFileSync(resolve(RUNTIME, `${BUILDS[device]}${ending}`));
  return {
    factory: shipped(`onnxruntime-${device}`, ".mjs", read(".mjs")),
    packed: shipped(`onnxruntime-${device}`, ".wasm.gz", gzipSync(read(".wasm"), { level: 9 })),
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

/** onnxruntime's files under names that the worker is told; what the bundler itself makes of them is left out. */
function runtimeFiles(): Plugin {
  return {
    name: "runtime-files",
    generateBundle(_, bundle) {
      for (const name of Object.keys(bundle)) if (name.endsWith(".wasm")) delete bundle[name];
      for (const { factory, packed } of Object.values(runtime)) {
        for (const { fileName, source } of [factory, packed]) this.emitFile({ type: "asset", fileName, source });
      }
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

/** build.json: hashes of all that the files were made of and of the files, for tests/unit/test_page_build.py. */
function record(): Plugin {
  return {
    name: "record-build",
    enforce: "post",
    generateBundle(_, bundle) {
      for (const path of ["page/index.html", "page/style.css", "page/icon.svg", "vite.config.ts", "package-lock.json"]) {
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
      const source = `${JSON.stringify({ sources: sorted(read), files: sorted(made) }, null, 2)}\n`;
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
