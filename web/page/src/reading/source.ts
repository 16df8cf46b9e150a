/**
 * The bytes of a file -> passages, by what its name, else its content, says that it is.
 *
 * The rules are those of the Python package (yesrank.documents), so that a file is the same documents on the command
 * line and here; tests/cases/documents.json holds both to them.
 */

import { SPACE, strip } from "../../../src/rerank/spaces.ts";
import { textOf } from "./content.ts";
import type { Format, Options, Part } from "./passages.ts";
import { readTable, seemsTable } from "./tables.ts";
import { lines, readText } from "./texts.ts";
import { isValue, readJson } from "./values.ts";

const BY_ENDING: Readonly<Record<string, Format>> = {
  txt: "text",
  text: "text",
  md: "markdown",
  markdown: "markdown",
  json: "json",
  jsonl: "jsonl",
  ndjson: "jsonl",
  csv: "csv",
  tsv: "tsv",
};

const WHITE = new RegExp(SPACE, "g");

/** A file as text, and what it is read as. */
export interface Source {
  readonly name: string;
  readonly text: string;
  readonly format: Format;
  readonly notes: readonly string[];
}

/** Throws Problem for what is no text. */
export function open(data: Uint8Array, name: string, asked?: Format): Source {
  const text = textOf(data, name, asked === "text" || asked === "markdown");
  const ending = /[^/](\.[^./]+)$/.exec(name)?.[1]?.slice(1).toLowerCase() ?? "";
  const known = asked ?? (Object.hasOwn(BY_ENDING, ending) ? BY_ENDING[ending] : undefined);
  if (known === undefined) return { name, text, ...byContent(text) };
  const records = asked === undefined && known === "text" && allRecords(text);
  const notes = records
    ? ["every line is a JSON object, and is ranked as it stands; else name it .jsonl"]
    : [];
  return { name, text, format: known, notes };
}

/** Throws Problem, of which FieldNeeded can be helped by a choice. */
export function read({ name, text, format, notes }: Source, options: Options = {}): Part {
  const part = parts(name, text, format, options);
  return { ...part, notes: [...notes, ...part.notes] };
}

export function readSource(data: Uint8Array, name: string, options: Options = {}): Part {
  return read(open(data, name, options.format), options);
}

function parts(name: string, text: string, format: Format, options: Options): Part {
  if (format === "json" || format === "jsonl") {
    if (strip(text) === "") return { passages: [], what: "empty", notes: [] };
    return readJson(text, name, options, format === "jsonl");
  }
  if (format === "csv" || format === "tsv")
    return readTable(text, name, options, format === "tsv" ? "\t" : undefined);
  return readText(text, options, format === "markdown");
}

/**
 * What a text without a telling name is: JSON where it begins as JSON only does, a table by its row of names.
 *
 * Text may begin with a bracket or a quotation mark, too: [1] Smith et al., {name} is ..., "Yes," she said.
 */
function byContent(text: string): { format: Format; notes: readonly string[] } {
  const [first = "", second = ""] = text.slice(0, 200).replaceAll(WHITE, "");
  const as = (format: Format, ...notes: string[]) => ({ format, notes });
  if (first === "[") return as('"{[]'.includes(second || "x") || isValue(text) ? "json" : "text");
  if (first === "{") return as('"}'.includes(second || "x") ? "json" : "text");
  if (first === '"') {
    const found = lines(text).map(([number, line]) => ({ number, right: isValue(line) }));
    const wrong = found.find(({ right }) => !right);
    if (!wrong) return as("jsonl");
    if (found[0]?.right && !seemsTable(text))
      return as("text", `line ${wrong.number} is not JSON, so that all of it is read as text`);
  }
  return as(seemsTable(text) ? "csv" : "text");
}

function allRecords(text: string): boolean {
  const found = lines(text).map(([, line]) => line);
  return found.length > 0 && found.every((line) => strip(line).startsWith("{") && isValue(line));
}
