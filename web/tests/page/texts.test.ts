import { describe, expect, test } from "vitest";
import * as csv from "../../page/src/csv.ts";
import { split } from "../../page/src/documents.ts";
import { toCsv, toJson } from "../../page/src/exports.ts";
import { readFile } from "../../page/src/files.ts";
import * as numbers from "../../page/src/numbers.ts";
import type { Outcome } from "../../page/src/outcome.ts";
import { Problem } from "../../page/src/problem.ts";
import { addressOf, folderSource } from "../../page/src/sources.ts";
import { deviceNote, precisions, variantsOf } from "../../page/src/variants.ts";

describe("documents of a text", () => {
  test("lines", () => {
    expect(split(" a \r\n\r\nb\rc\n \n", "line")).toEqual(["a", "b", "c"]);
    expect(split("", "line")).toEqual([]);
  });
  test("paragraphs keep their line breaks", () => {
    expect(split("a\nb\n\n  \n c\r\n\t\r\nd\n", "paragraph")).toEqual(["a\nb", "c", "d"]);
  });
});

const cells = (text: string, delimiter = ",") => csv.parse(text, delimiter).map((row) => row.cells);

describe("CSV", () => {
  test.each([
    [
      'a,b\n"x, ""y""\nz",2\n',
      ",",
      [
        ["a", "b"],
        ['x, "y"\nz', "2"],
      ],
    ],
    [
      "a;b\r\n1;2,5\r\n",
      ";",
      [
        ["a", "b"],
        ["1", "2,5"],
      ],
    ],
    ["a,b,\n,,\n\nc", ",", [["a", "b", ""], ["", "", ""], [""], ["c"]]],
    ['"a,b;c";d\n', ";", [["a,b;c", "d"]]],
  ])("%j", (text, delimiter, rows) => {
    expect(cells(text, delimiter)).toEqual(rows);
  });
  test("knows the line that each row begins at", () => {
    expect(csv.parse('a\r\n"b\rc\n"\n\nd', ",").map(({ line }) => line)).toEqual([1, 2, 5, 6]);
  });
  test("says where a quotation mark is left open", () => {
    expect(() => csv.parse('a,b\n1,"2\n3', ",")).toThrow(/line 2/);
  });
  test("what it writes it reads again", () => {
    const values = ['say "hi"', "two\nlines", "a,b;c\td", "", "ünï 日本"];
    expect(cells(csv.line(values))).toEqual([values]);
  });
  test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])(
    "%j cannot be run as a formula",
    (value) => {
      expect(csv.line([value])).toBe(`"'${value}"\r\n`);
    },
  );
  test("numbers stay numbers", () => {
    expect(csv.line([-3.5, 1])).toBe("-3.5,1\r\n");
  });
});

const file = (name: string, content: string | Uint8Array<ArrayBuffer>) => new File([content], name);

const labels = (choices: readonly { label: string }[]) => choices.map(({ label }) => label);
const textsOf = (part: { passages: readonly { text: string }[] }) => part.passages.map(({ text }) => text);

describe("files", () => {
  test.each([
    ["a.jsonl", '{"id":"1","text":"one"}\n\n{"id":"2","text":"two"}\n', ["id", "text"], ["one", "two"]],
    ["a.jsonl", '{"text":"one"}\n{"body":"two"}\n', ["text, body", "text", "body"], ["one", "two"]],
    ["a.json", '{"query":"q","documents":["one","two"]}', ["strings"], ["one", "two"]],
    ["a.csv", 'id,content\n1,one\n2,"two, three"\n', ["id", "content"], ["one", "two, three"]],
    ["a.csv", "the first\nthe second\n", ["column 1"], ["the first", "the second"]],
    ["a.txt", "one\n\ntwo\n", ["line", "paragraph", "file"], ["one", "two"]],
    ["a.md", "one\nmore\n\ntwo\n", ["line", "paragraph", "file"], ["one\nmore\n\ntwo"]],
    ["notes", "id\ttext\n1\tone\n", ["id", "text"], ["one"]],
  ])("%s %j offers %j", async (name, content, offered, documents) => {
    const found = await readFile(file(name, content));
    expect(labels(found.choices)).toEqual(offered);
    expect(textsOf(found.documents(found.likely))).toEqual(documents);
  });
  test("the first row may be a document, or names, after all", async () => {
    const names = await readFile(file("a.csv", "id,text\n1,one\n"));
    expect(names.header).toBe(true);
    expect(textsOf(names.withHeader(false).documents("2"))).toEqual(["text", "one"]);
    const none = await readFile(file("a.csv", "remark\none\n"));
    expect(none.header).toBe(false);
    expect(labels(none.withHeader(true).choices)).toEqual(["remark"]);
    expect(textsOf(none.withHeader(true).documents(none.withHeader(true).likely))).toEqual(["one"]);
  });
  test.each([
    ["a.csv", "key,remark\n1,one\n", "remark", ["one"]],
    ["a.jsonl", '{"key":"k","remark":"one"}\n{"key":"l","remark":"two"}\n', "remark", ["one", "two"]],
  ])("%s %j: what nobody can know is asked", async (name, content, choice, documents) => {
    const found = await readFile(file(name, content));
    expect(found.choices[0]).toEqual({ value: found.likely, label: "choose…" });
    expect(() => found.documents(found.likely)).toThrow(Problem);
    expect(labels(found.choices)).toContain(choice);
    expect(textsOf(found.documents(choice))).toEqual(documents);
  });
  test.each([
    ["a.jsonl", '{"text":"one"}\n{text}', /a.jsonl, line 2/],
    ["a.jsonl", "1\n2", /no text/],
    ["a.csv", 'a,text\n1,"b', /line 2/],
    ["a.txt", "  \n", /empty/],
    ["a.txt", new Uint8Array([0x66, 0xff, 0x66]), /UTF-8/],
    ["a.pdf", "%PDF-1.7", /a PDF file/],
  ])("%s %j is refused with a next step", async (name, content, message) => {
    const error = await readFile(file(name, content)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Problem);
    expect((error as Problem).message).toMatch(message);
    expect((error as Problem).next).toBeTruthy();
  });
});

const OUTCOME: Outcome = {
  query: "q",
  instruction: "",
  documents: ["=SUM(1)", 'say "b"'],
  where: "server",
  model: "m",
  precision: null,
  device: null,
  results: [
    { index: 1, score: 0.9, logit: 2.2, truncated: true },
    { index: 0, score: 0.1, logit: -2.2, truncated: false },
  ],
  tokens: 7,
  seconds: 0.5,
  loadSeconds: null,
  loadBytes: null,
  threads: null,
  notes: ["read as text"],
  finished: "2026-01-01T00:00:00.000Z",
};

describe("exports", () => {
  test("JSON", () => {
    const found = JSON.parse(toJson(OUTCOME));
    expect(found).toMatchObject({ query: "q", model: "m", tokens: 7 });
    expect(found.results).toEqual([
      { rank: 1, index: 1, score: 0.9, logit: 2.2, truncated: true, document: 'say "b"' },
      { rank: 2, index: 0, score: 0.1, logit: -2.2, truncated: false, document: "=SUM(1)" },
    ]);
  });
  test("CSV", () => {
    const [head, ...rows] = cells(toCsv(OUTCOME).slice(1));
    expect(head).toEqual(["rank", "index", "score", "logit", "truncated", "document"]);
    expect(rows).toEqual([
      ["1", "1", "0.9", "2.2", "yes", 'say "b"'],
      ["2", "0", "0.1", "-2.2", "no", "'=SUM(1)"],
    ]);
  });
});

describe("exports of documents with ids", () => {
  const outcome = { ...OUTCOME, ids: ["a", null] };
  test("JSON and CSV", () => {
    expect(JSON.parse(toJson(outcome)).results.map(({ id }: { id: unknown }) => id)).toEqual([null, "a"]);
    expect(cells(toCsv(outcome).slice(1)).map((row) => row[2])).toEqual(["id", "", "a"]);
  });
});

describe("numbers for people", () => {
  test.each([
    [0.96342, "0.963"],
    [0.99999999, ">0.99999"],
    [0.99987, "0.99987"],
    [0.0001, "0.00010"],
    [1e-9, "<0.00001"],
    [1, "1.000"],
    [0, "0.000"],
  ])("score %d", (value, text) => expect(numbers.score(value)).toBe(text));
  test.each([
    [0.0004, "1 ms"],
    [0.0801, "80 ms"],
    [0.999, "1.0 s"],
    [120, "120 s"],
  ])("%d seconds", (value, text) => expect(numbers.seconds(value)).toBe(text));
  test("bytes", () =>
    expect([900, 6_103_166, 1.2e9].map(numbers.bytes)).toEqual(["1 kB", "6.1 MB", "1.2 GB"]));
});

const BASE = "https://a.example/page/";

describe("models for this browser", () => {
  test("variants with their data files", () => {
    const files = [
      ["onnx/model.onnx", 1],
      ["onnx/model_q4.onnx", 2],
      ["onnx/model_q4.onnx_data", 3],
      ["onnx/model_q4.onnx_data_1", 4],
      ["onnx/other.onnx", 5],
      ["model_q8.onnx", 6],
    ] as const;
    expect([...variantsOf(files)]).toEqual([
      ["fp32", 1],
      ["q4", 9],
    ]);
  });
  test("16 bits need shader-f16 on a GPU", () => {
    const sizes = variantsOf([
      ["onnx/model_q4f16.onnx", 1e6],
      ["onnx/model_quantized.onnx", 1e6],
    ]);
    const order = (device: "wasm" | "webgpu", half: boolean) =>
      precisions(sizes, device, half).map(({ value, disabled }) => [value, disabled]);
    expect(order("wasm", false)).toEqual([
      ["q8", false],
      ["q4f16", false],
    ]);
    expect(order("webgpu", true)).toEqual([
      ["q4f16", false],
      ["q8", false],
    ]);
    expect(order("webgpu", false)).toEqual([
      ["q4f16", true],
      ["q8", false],
    ]);
    expect(deviceNote({ present: true, waits: true, half: false })).toMatch(/shader-f16/);
    expect(deviceNote({ present: true, waits: false, half: true })).toMatch(/JSPI/);
    expect(deviceNote({ present: true, waits: true, half: true })).toBe("");
  });
  test("a folder, or the one above it", () => {
    const files = (prefix: string) =>
      new Map([`${prefix}config.json`, `${prefix}onnx/model_q4.onnx`].map((path) => [path, file(path, "x")]));
    for (const prefix of ["", "small/"]) {
      const { place, sizes } = folderSource("small", files(prefix));
      expect(place.kind === "files" && [...place.files.keys()]).toEqual([
        "config.json",
        "onnx/model_q4.onnx",
      ]);
      expect([...sizes]).toEqual([["q4", 1]]);
    }
    expect(() => folderSource("x", new Map([["a/b/config.json", file("c", "x")]]))).toThrow(Problem);
    expect(() => folderSource("x", new Map([["config.json", file("c", "x")]]))).toThrow(/ONNX/);
  });
  test("an address on a hub leads to the files", () => {
    expect(addressOf("https://huggingface.co/owner/name", BASE)).toBe(
      "https://huggingface.co/owner/name/resolve/main/",
    );
    expect(addressOf("models/x", BASE)).toBe("https://a.example/page/models/x/");
  });
});
