/** JSON and JSONL -> passages. */

import { isBlank, strip } from "../../../src/rerank/spaces.ts";
import { Problem } from "../problem.ts";
import { idOf, titled, usual } from "./fields.ts";
import { emptyOnes, FieldNeeded, type Options, type Part, type Passage } from "./passages.ts";
import { lines } from "./texts.ts";

const EXAMPLE = 'Each must be a text, or an object such as {"text": "..."}.';
const MANY = 8;

/** A value, and the words for where it stood. */
type Placed = readonly [string, unknown];

/**
 * An array of documents, an object with an array under "documents", or one value a line.
 *
 * aLine: which of the two a broken text was meant to be. Throws Problem with the line.
 */
export function readJson(text: string, name: string, options: Options, aLine: boolean): Part {
  const [found, kind] = valuesOf(text, name, aLine);
  const used = new Set<string>();
  const all = [...new Set(found.flatMap(([, value]) => named(recordOf(value))))];
  const passages = found.map((placed) => passage(placed, options.field, used, all));
  const fields = used.size ? `, field${used.size > 1 ? "s" : ""} ${[...used].join(", ")}` : ", strings";
  return { passages, what: kind + fields, notes: emptyOnes(passages, (each) => strip(each) === "") };
}

/** The names of members that are text, of all records. Empty for a list of bare strings. */
export function textFields(text: string, name: string, aLine: boolean): string[] {
  const [found] = valuesOf(text, name, aLine);
  return [...new Set(found.flatMap(([, value]) => named(recordOf(value))))];
}

export function isValue(line: string): boolean {
  return parsed(line) !== undefined;
}

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function valuesOf(text: string, name: string, aLine: boolean): [readonly Placed[], string] {
  const whole = wholeOf(text, name);
  if (whole) return [whole, "JSON"];
  if (!isValue(lines(text)[0]?.[1] ?? "")) {
    const values = oneAfterAnother(text, name);
    if (values) return [values, "JSON values"];
    if (!aLine)
      throw new Problem(`${name} is not JSON.`, "Correct it; where it is plain text, name it .txt.");
  }
  return [lines(text).map(([number, line]) => placed(`${name}, line ${number}`, line)), "JSONL"];
}

function placed(where: string, line: string): Placed {
  const found = parsed(line);
  if (found) return [where, found.value];
  throw new Problem(`${where} is not JSON.`, "Each line must be one JSON value.");
}

/** The documents of a text that is a single JSON value; undefined for any other. */
function wholeOf(text: string, name: string): Placed[] | undefined {
  const found = parsed(text);
  if (!found) return undefined;
  const inside = recordOf(found.value).get("documents");
  const list = Array.isArray(inside) ? inside : found.value;
  if (Array.isArray(list)) return list.map((each, at) => [`${name}, entry ${at + 1}`, each]);
  return strip(text).includes("\n") ? [[`${name}, entry 1`, list]] : undefined;
}

/** Values that go over several lines, as jq prints them; undefined where there is something else. */
function oneAfterAnother(text: string, name: string): Placed[] | undefined {
  const found: Placed[] = [];
  let at = afterSpace(text, 0);
  while (at < text.length) {
    const end = endOfValue(text, at);
    const value = parsed(text.slice(at, end));
    if (!value) return undefined;
    found.push([`${name}, entry ${found.length + 1}`, value.value]);
    at = afterSpace(text, end);
  }
  return found;
}

function afterSpace(text: string, at: number): number {
  let end = at;
  while (end < text.length && strip(text.charAt(end)) === "") end += 1;
  return end;
}

/** Where the value that begins at a place ends, if it is one. */
function endOfValue(text: string, begin: number): number {
  const token = /"(?:[^"\\]|\\.)*"|[[\]{}]|[-+.\w]+|[,:\s]+/gsu;
  let depth = 0;
  token.lastIndex = begin;
  for (let found = token.exec(text); found; found = token.exec(text)) {
    if (/^[[{]/.test(found[0])) depth += 1;
    else if (/^[\]}]/.test(found[0])) depth -= 1;
    if (depth <= 0) return token.lastIndex;
  }
  return text.length;
}

function recordOf(value: unknown): Map<string, unknown> {
  const record = typeof value === "object" && value !== null && !Array.isArray(value);
  return new Map(record ? Object.entries(value) : []);
}

function named(record: ReadonlyMap<string, unknown>): string[] {
  return [...record].filter(([, value]) => typeof value === "string").map(([name]) => name);
}

function passage(
  [where, value]: Placed,
  field: string | undefined,
  used: Set<string>,
  all: string[],
): Passage {
  if (typeof value === "string") return { text: value, id: null };
  const record = recordOf(value);
  const names = named(record);
  const chosen = field === undefined ? usual(names) : names.includes(field) ? field : undefined;
  if (chosen === undefined) throw noText(record, where, field, all);
  used.add(chosen);
  return { text: titled(record, chosen, String(record.get(chosen))), id: idOf(record) };
}

function noText(
  record: ReadonlyMap<string, unknown>,
  where: string,
  field: string | undefined,
  all: readonly string[],
): Problem {
  if (field !== undefined && record.size)
    return new Problem(
      `${where} has no text in a field ${field}.`,
      `It has: ${[...record.keys()].slice(0, MANY).join(", ")}.`,
    );
  const others = named(record).filter((key) => usual([key], ["id", "_id"]) === undefined);
  if (!others.length) return new Problem(`${where} has no text.`, EXAMPLE);
  const message = `${where} has no text; it has ${others.slice(0, MANY).join(", ")}.`;
  return new FieldNeeded(
    message,
    "Choose the field that holds the texts.",
    all.filter((key) => !isBlank(key)),
  );
}
