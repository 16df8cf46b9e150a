/** The built package, as programs of both module systems and their compiler meet it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

const WEB = new URL("../..", import.meta.url).pathname;
const USE = `
import { InputError, Reranker, rerank, type Ranking } from "yesrank";
export async function best(query: string, documents: string[]): Promise<string | undefined> {
  const reranker: Reranker = await Reranker.load("models/judge", { dtype: "q4" });
  const ranking: Ranking = await reranker.rerank(query, documents, { topN: 1 });
  return ranking[0]?.document ?? (await rerank(query, documents))[0]?.document;
}
export const wrong = (error: unknown) => (error instanceof InputError ? error.field : undefined);
`;
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let folder: string; // inside the package, which is found by its own name there
beforeAll(() => {
  execFileSync("npm", ["run", "-s", "build"], { cwd: WEB });
  folder = mkdtempSync(join(WEB, "tests", "package", "use-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function compile(file: string, module: string, resolution: string): string {
  writeFileSync(join(folder, file), USE);
  const options = ["--strict", "--noEmit", "--skipLibCheck", "--ignoreConfig", "--target", "es2022"];
  const how = ["--types", "node", "--module", module, "--moduleResolution", resolution];
  try {
    return String(execFileSync("npx", ["tsc", ...options, ...how, join(folder, file)], { cwd: WEB }));
  } catch (error) {
    return String((error as { stdout: Buffer }).stdout);
  }
}

describe("the built package", () => {
  it.each([
    ["use.cts", "node16", "node16"],
    ["use.mts", "node16", "node16"],
    ["use.cts", "nodenext", "nodenext"],
    ["use.ts", "esnext", "bundler"],
  ])("compiles in %s with module %s and resolution %s", (file, module, resolution) => {
    expect(compile(file, module, resolution)).toBe("");
  });

  it.each([
    ["require", ["--no-experimental-require-module", "-p", `Object.keys(require("yesrank")).sort().join()`]],
    [
      "import",
      ["--input-type=module", "-e", `console.log(Object.keys(await import("yesrank")).sort().join())`],
    ],
  ])("is had by %s", (_, how) => {
    const names = String(execFileSync("node", how, { cwd: WEB })).trim();
    expect(names).toBe(
      "DEFAULT_INSTRUCTION,DEFAULT_MODEL,DeviceError,InputError,ModelError,Reranker,YesrankError," +
        "rerank,variants,webgpuSupport",
    );
  });
});
