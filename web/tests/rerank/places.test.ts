/** Where a model is looked for: no server hears of a string that might be a folder. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { browser } from "../../src/rerank/browser.ts";
import { InputError } from "../../src/rerank/errors.ts";
import { DEFAULT_MODEL, Reranker, rerank } from "../../src/rerank/node.ts";
import { node } from "../../src/rerank/nodejs.ts";
import type { LoadOptions } from "../../src/rerank/types.ts";

const asked: string[] = [];
const request: typeof globalThis.fetch = async (input) => {
  asked.push(String(input instanceof Request ? input.url : input));
  return Response.json({ sha: "0123456789abcdef0123456789abcdef01234567" });
};
const HUB = "https://hub.invalid";

let scratch: string;
const home = process.cwd();

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "yesrank-"));
  await mkdir(join(scratch, "models", "judge"), { recursive: true });
  process.chdir(scratch);
  vi.stubGlobal("fetch", request);
});
afterEach(() => asked.splice(0));
afterAll(async () => {
  vi.unstubAllGlobals();
  process.chdir(home);
  await rm(scratch, { recursive: true });
});

const opened = (model: string | URL, options: LoadOptions = {}) =>
  node.open(model, { cacheDir: join(scratch, "cache"), ...options });

describe("in Node", () => {
  it.each(["models/juge", "owner/name", "./models/juge", "models/a/b", "juge"])(
    "%s, which is not there, is no question to a hub",
    async (model) => {
      await expect(Reranker.load(model)).rejects.toThrow(/no model folder|no place/);
      await expect(rerank("q", ["d"], { model })).rejects.toThrow();
      expect(asked).toEqual([]);
    },
  );

  it("tells how a hub is asked", async () => {
    const error = { name: "ModelError", hint: expect.stringContaining('"hf:models/juge"') };
    await expect(opened("models/juge")).rejects.toMatchObject(error);
  });

  it("finds a folder, also one that has the form of a name", async () => {
    expect((await opened("models/judge", { revision: "main" })).name).toBe(
      join(process.cwd(), "models", "judge"),
    );
    expect(asked).toEqual([]);
  });

  it.each([
    ["hf:models/judge", {}],
    [new URL("hf:models/judge"), {}],
    ["other/judge", { revision: "main" }],
    ["other/judge", { hub: HUB }],
  ])("%s with %o is asked of a hub", async (model, options) => {
    const files = await opened(model, { hub: HUB, ...options });
    expect(files.name).toBe(String(model).replace("hf:", ""));
    expect(asked).toEqual([`${HUB}/api/models/${files.name}/revision/main`]);
  });

  it.each(["hf:", "hf:judge", "hf:/a/b", "hf:../b", "hf:a/b/c"])("%s is no name", async (model) => {
    await expect(opened(model, { hub: HUB })).rejects.toThrow(InputError);
    expect(asked).toEqual([]);
  });
});

describe("in browsers", () => {
  it("the hub is asked by name only", async () => {
    await expect(browser.open("models/judge", {})).rejects.toMatchObject({
      name: "InputError",
      hint: expect.stringMatching(/"\.\/".*"hf:models\/judge"/),
    });
    expect((await browser.open("hf:owner/name", {})).name).toBe("owner/name");
    expect((await browser.open("owner/name", { revision: "v1" })).name).toBe("owner/name");
  });
});

it("the model of the shorthand is one of the hub, and says so", () => {
  expect(DEFAULT_MODEL).toMatch(/^hf:[\w-]+\/[\w.-]+$/);
});
