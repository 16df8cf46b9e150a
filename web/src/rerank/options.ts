/** Options that nobody knows are refused: one that is misspelt would change nothing, without a word. */
import { InputError } from "./errors.ts";
import type { LoadOptions, RerankOptions } from "./types.ts";

// records, not lists: the compiler refuses one that lacks a name or has one too many
const RERANK: Record<keyof RerankOptions, true> = {
  instruction: true,
  topN: true,
  maxLength: true,
  asText: true,
  signal: true,
  onProgress: true,
};
const LOAD: Record<keyof LoadOptions, true> = {
  dtype: true,
  device: true,
  template: true,
  maxLength: true,
  instruction: true,
  revision: true,
  hub: true,
  cache: true,
  cacheDir: true,
  fetch: true,
  wasmPaths: true,
  wasmBinary: true,
  threads: true,
  progress: true,
  signal: true,
};

export const RERANK_OPTIONS: readonly string[] = Object.keys(RERANK);
export const LOAD_OPTIONS: readonly string[] = Object.keys(LOAD);

/** Throws InputError for a name that is none of `known`, with the one that was probably meant. */
export function checkNames(options: unknown, known: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new InputError("options", "must be an object", `its members are: ${known.join(", ")}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    const hint = near ? `write ${near}, if that is meant, or leave it out` : `known are: ${known.join(", ")}`;
    throw new InputError(name, "is not a known option", hint);
  }
}

const MOST_SLIPS = 2;

/** The name that differs least, case and separators aside; undefined where none is near. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const asked = flat(name);
  const [best] = known
    .map((each) => ({ each, slips: distance(asked, flat(each)) }))
    .filter(({ each, slips }) => slips <= Math.min(MOST_SLIPS, Math.ceil(each.length / 3)))
    .sort((a, b) => a.slips - b.slips);
  return best?.each;
}

function flat(name: string): string {
  return name.slice(0, 40).toLowerCase().replaceAll(/[_-]/g, "");
}

/** Letters to add, leave out or change. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (let j = 0; j < other.length; j++) {
      const changed = (row[j] ?? 0) + (letter === other[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
