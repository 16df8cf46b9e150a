/** A chosen or dropped file -> a table of texts, one column of which holds the documents. */

import * as csv from "./csv.ts";
import { type Rule, split } from "./documents.ts";
import { bytes, whole } from "./numbers.ts";
import { Problem } from "./problem.ts";

const LARGEST = 256e6;
/** What columns with documents are usually called, the likeliest first. */
const USUAL = [
  "text",
  "document",
  "passage",
  "content",
  "contents",
  "body",
  "doc",
  "chunk",
  "description",
  "abstract",
];
const SAMPLE = 50;

/** What a file may be read as. `fields`: its columns, or for plain text the rules. */
export interface DocumentFile {
  readonly name: string;
  readonly kind: "table" | "csv" | "text";
  readonly fields: readonly string[];
  /** The likeliest field. */
  readonly likely: string;
  /** CSV: whether the first row seems to hold names. */
  readonly header: boolean;
  /** The documents of a field, and how many rows had none. */
  documents(field: string): { documents: string[]; skipped: number };
  /** CSV: the same file with its first row read as names, or as a document. */
  withHeader(header: boolean): DocumentFile;
}

/** Reads a file by its ending. Throws Problem. */
export async function readFile(file: File): Promise<DocumentFile> {
  if (file.size > LARGEST) {
    throw new Problem(
      `${file.name} has ${bytes(file.size)}; this page reads up to ${bytes(LARGEST)}.`,
      "Split it, or use yesrank rerank on the command line.",
    );
  }
  const text = decode(file.name, await file.arrayBuffer());
  if (text.trim() === "") throw new Problem(`${file.name} is empty.`, "Choose another file.");
  const ending = /\.([a-z0-9]+)$/i.exec(file.name)?.[1]?.toLowerCase() ?? "";
  if (ending === "jsonl" || ending === "ndjson") return fromObjects(file.name, jsonLines(file.name, text));
  if (ending === "json") return fromObjects(file.name, json(file.name, text));
  if (ending === "csv" || ending === "tsv") return fromCsv(file.name, rows(file.name, text));
  return fromText(file.name, text);
}

function decode(name: string, content: ArrayBuffer): string {
  const [first, second] = new Uint8Array(content, 0, Math.min(2, content.byteLength));
  const encoding = first === 0xff && second === 0xfe ? "utf-16le" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(content);
  } catch (cause) {
    throw new Problem(`${name} is not UTF-8 text.`, "Save it as UTF-8 and choose it again.", { cause });
  }
}

function jsonLines(name: string, text: string): unknown[] {
  const found: unknown[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    try {
      found.push(JSON.parse(line));
    } catch (cause) {
      throw new Problem(
        `Line ${whole(index + 1)} of ${name} is not JSON.`,
        "Each line must be one JSON object.",
        { cause },
      );
    }
  }
  return found;
}

function json(name: string, text: string): unknown[] {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (cause) {
    throw new Problem(`${name} is not JSON.`, "A file with one JSON object a line is named .jsonl.", {
      cause,
    });
  }
  const list = Array.isArray(found) ? found : (found as { documents?: unknown } | null)?.documents;
  if (Array.isArray(list)) return list;
  throw new Problem(
    `${name} holds no list of documents.`,
    'Use a list, or an object with a list under "documents".',
  );
}

function rows(name: string, text: string): string[][] {
  try {
    return csv.parse(text);
  } catch (cause) {
    throw new Problem(
      `${name} is not CSV: ${(cause as Error).message}.`,
      "Correct the file and choose it again.",
      { cause },
    );
  }
}

function fromObjects(name: string, values: readonly unknown[]): DocumentFile {
  const cells = values.map((value) => (typeof value === "string" ? { text: value } : texts(value)));
  const fields = [...new Set(cells.flatMap((row) => Object.keys(row)))];
  if (fields.length === 0) {
    throw new Problem(
      `${name} holds no texts.`,
      'Each entry must be a text, or an object such as {"text": "..."}.',
    );
  }
  const file: DocumentFile = {
    name,
    kind: "table",
    fields,
    likely: likeliest(fields, (field) => cells.slice(0, SAMPLE).map((row) => row[field] ?? "")),
    header: true,
    documents: (field) => kept(cells.map((row) => row[field] ?? "")),
    withHeader: () => file,
  };
  return file;
}

/** The members of an object that are text. */
function texts(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(([, member]) => typeof member === "string"));
}

function fromCsv(name: string, found: readonly string[][], header = seemsHeader(found)): DocumentFile {
  const width = Math.max(...found.map((row) => row.length));
  const names = header ? (found[0] ?? []) : [];
  const fields = Array.from({ length: width }, (_, index) => unique(names, index) || `column ${index + 1}`);
  const body = header ? found.slice(1) : found;
  const column = (field: string) => body.map((row) => row[fields.indexOf(field)] ?? "");
  return {
    name,
    kind: "csv",
    fields,
    likely: likeliest(fields, (field) => column(field).slice(0, SAMPLE)),
    header,
    documents: (field) => kept(column(field)),
    withHeader: (wanted) => fromCsv(name, found, wanted),
  };
}

/** A name that stands twice gets its column's number, so that both can be chosen. */
function unique(names: readonly string[], index: number): string {
  const name = names[index]?.trim() ?? "";
  return names.slice(0, index).some((other) => other.trim() === name) ? "" : name;
}

/** Names are short, all there and all different, and something follows them; a usual name decides at once. */
function seemsHeader(found: readonly string[][]): boolean {
  const first = (found[0] ?? []).map((value) => value.trim().toLowerCase());
  if (found.length < 2) return false;
  if (first.some((value) => USUAL.includes(value))) return true;
  const names = first.every((value) => value !== "" && value.length <= 30 && Number.isNaN(Number(value)));
  return first.length > 1 && names && new Set(first).size === first.length;
}

function fromText(name: string, text: string): DocumentFile {
  const fields: Rule[] = ["line", "paragraph"];
  const file: DocumentFile = {
    name,
    kind: "text",
    fields,
    likely: /\n[^\S\n]*\r?\n\s*\S/.test(text.trim()) ? "paragraph" : "line",
    header: false,
    documents: (field) => ({ documents: split(text, field as Rule), skipped: 0 }),
    withHeader: () => file,
  };
  return file;
}

function likeliest(fields: readonly string[], sample: (field: string) => string[]): string {
  const usual = USUAL.flatMap((name) => fields.filter((field) => field.toLowerCase() === name));
  if (usual[0] !== undefined) return usual[0];
  const length = (field: string) => sample(field).join("").length;
  return fields.reduce((best, field) => (length(field) > length(best) ? field : best));
}

function kept(values: readonly string[]): { documents: string[]; skipped: number } {
  const documents = values.filter((value) => value.trim() !== "");
  return { documents, skipped: values.length - documents.length };
}
