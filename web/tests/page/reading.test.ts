/** The page's reader of files: the cases that the Python package's reader is tested on, too. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Options } from "../../page/src/reading/passages.ts";
import { readSource } from "../../page/src/reading/source.ts";

interface Case {
  readonly name: string;
  readonly text?: string;
  readonly base64?: string;
  readonly options?: Options;
  readonly read?: { what: string; texts: string[]; ids: (string | null)[]; notes: number };
  readonly refused?: string;
}

const CASES: Case[] = JSON.parse(
  readFileSync(new URL("../../../tests/cases/documents.json", import.meta.url), "utf8"),
);

test.each(CASES)("$name $text $base64", ({ name, text = "", base64, options, read, refused }) => {
  const data = new Uint8Array(base64 === undefined ? Buffer.from(text) : Buffer.from(base64, "base64"));
  const call = () => readSource(data, name, options);
  if (refused !== undefined) return expect(call).toThrow(refused);
  const { what, passages, notes } = call();
  const found = {
    what,
    texts: passages.map((each) => each.text),
    ids: passages.map(({ id }) => id),
    notes: notes.length,
  };
  expect(found).toEqual(read);
});
