import { describe, expect, it } from "vitest";
import { InputError } from "../../src/rerank/errors.ts";
import { halfToNumber } from "../../src/rerank/half.ts";
import { checkNotBlank, DEFAULT_INSTRUCTION, frame, templateNamed } from "../../src/rerank/prompt.ts";

describe("prompt", () => {
  it("is that of the model card", () => {
    const around = frame(templateNamed("card"), DEFAULT_INSTRUCTION, "Q");
    expect(`${around.head}${around.lead}D`).toBe(
      "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n" +
        "<Query>: Q\n<Document>: D",
    );
    expect(around.prefix).toMatch(/^<\|im_start\|>system\nJudge whether .* "yes" or "no"\.<\|im_end\|>\n/);
    expect(around.suffix).toBe("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
  });

  it("has two newlines between fields in chat, and one at the end in onnx-card", () => {
    expect(frame(templateNamed("chat"), "I", "Q").head).toBe("<Instruct>: I\n\n<Query>: Q\n\n<Document>:");
    expect(frame(templateNamed("chat"), "I", "Q").suffix).toMatch(/<\/think>\n\n$/);
    expect(frame(templateNamed("onnx-card"), "I", "Q").suffix).toMatch(/<\/think>\n$/);
    expect(frame(templateNamed("onnx-card"), "I", "Q").suffix).not.toMatch(/\n\n$/);
  });

  it("inserts text once", () => {
    const { head } = frame(templateNamed("card"), "{query} $&", "$1 <Document>: {document}");
    expect(head).toBe("<Instruct>: {query} $&\n<Query>: $1 <Document>: {document}\n<Document>:");
  });

  it("wants a query that asks something", () => {
    for (const query of ["", " \t\n", "\ufeff", "\u200b \u2060", "\x1c\x85"]) {
      expect(() => checkNotBlank(query)).toThrow(expect.objectContaining({ field: "query" }));
    }
    expect(checkNotBlank(" a ")).toBe(" a ");
  });

  it("is known by name", () => {
    expect(() => templateNamed("toString")).toThrow(InputError);
  });
});

describe("half precision", () => {
  it("is read", () => {
    const values = [0x0000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x8400, 0x3555].map(halfToNumber);
    expect(values).toEqual([0, 1, -2, 65504, 2 ** -24, -(2 ** -14), 0.333251953125]);
    expect([0x7c00, 0xfc00, 0x7e00].map(halfToNumber)).toEqual([Infinity, -Infinity, Number.NaN]);
  });
});
