import { describe, expect, it } from "vitest";
import { DeviceError, InputError, ModelError, YesrankError } from "../../src/rerank/errors.ts";
import { Reranker, rerank, variants } from "../../src/rerank/node.ts";
import { checkNames, LOAD_OPTIONS, RERANK_OPTIONS } from "../../src/rerank/options.ts";

describe("options", () => {
  it("are refused where nobody knows them, with the nearest name", () => {
    const near: [string, string, readonly string[]][] = [
      ["top_n", "topN", RERANK_OPTIONS],
      ["topK", "topN", RERANK_OPTIONS],
      ["max_length", "maxLength", RERANK_OPTIONS],
      ["as_text", "asText", RERANK_OPTIONS],
      ["Device", "device", LOAD_OPTIONS],
      ["dtpye", "dtype", LOAD_OPTIONS],
      ["cachedir", "cacheDir", LOAD_OPTIONS],
    ];
    for (const [name, meant, known] of near) {
      const hint = expect.stringMatching(new RegExp(`write ${meant},`));
      expect(() => checkNames({ [name]: 1 }, known)).toThrow(expect.objectContaining({ field: name, hint }));
    }
    const all = expect.stringMatching(/known are: instruction, topN/);
    expect(() => checkNames({ quantized: true }, RERANK_OPTIONS)).toThrow(
      expect.objectContaining({ hint: all }),
    );
    expect(() => checkNames(3, RERANK_OPTIONS)).toThrow(InputError);
    expect(() => checkNames({ topN: 3, signal: undefined }, RERANK_OPTIONS)).not.toThrow();
  });

  it("are looked at before anything is loaded", async () => {
    const wrong = { topn: 2 } as object;
    const refused = { name: "InputError", field: "topn" };
    await expect(Reranker.load("nowhere", wrong)).rejects.toMatchObject(refused);
    await expect(variants("nowhere", wrong)).rejects.toMatchObject(refused);
    await expect(rerank("q", ["d"], wrong)).rejects.toMatchObject(refused);
  });
});

describe("errors", () => {
  it("keep their names where a bundler has shortened those of classes", () => {
    const shortened = <T extends typeof InputError | typeof ModelError | typeof DeviceError>(type: T): T => {
      Object.defineProperty(type, "name", { value: "a" });
      return type;
    };
    expect(new (shortened(InputError))("field", "message").name).toBe("InputError");
    expect(new (shortened(ModelError))("message").name).toBe("ModelError");
    expect(new (shortened(DeviceError))("message").name).toBe("DeviceError");
    expect(new YesrankError("message").name).toBe("YesrankError");
  });
});
