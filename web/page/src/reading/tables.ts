/** CSV and TSV -> passages. */

import { strip } from "../../../src/rerank/spaces.ts";
import { parse, type Row } from "../csv.ts";
import { Problem } from "../problem.ts";
import { idOf, titled, usual } from "./fields.ts";
import { emptyOnes, FieldNeeded, type Options, type Part, type Passage } from "./passages.ts";
import { lines } from "./texts.ts";

const DELIMITERS = [",", ";", "\t"] as const;
const NAMES: Readonly<Record<string, string>> = { ",": "CSV", ";": "CSV with semicolons", "\t": "TSV" };
const LONGEST_NAME = 40;

/**
 * The column that holds texts, with the columns title and id where there are some.
 *
 * delimiter: undefined for the one that the first line has most of, or that a line such as sep=; names. Throws
 * FieldNeeded where the column is not known, and Problem for a row that has other columns than the first.
 */
export function readTable(text: string, name: string, options: Options, delimiter?: string): Part {
  const { rows, mark, notes } = rowsOf(text, name, delimiter);
  const [first] = rows;
  if (!first) return { passages: [], what: NAMES[mark] ?? "", notes };
  const cells = first.cells.map(strip);
  const column = columnOf(cells, name, options.field);
  const names = column === undefined ? [] : cells;
  const index = column ?? (options.field ? Number(options.field) - 1 : 0);
  const width = names.length ? Math.max(names.length, index + 1) : first.cells.length;
  const body = names.length ? rows.slice(1) : rows;
  const passages = body.map((row) => passage(row, names, index, width, name));
  const what = names.length ? `column ${names[index]}` : `column ${index + 1}, no row of names`;
  const empty = emptyOnes(passages, (each) => strip(each) === "");
  return { passages, what: `${NAMES[mark]}, ${what}`, notes: [...notes, ...empty] };
}

/** The cells of the first row. */
export function firstRow(text: string, name: string, delimiter?: string): string[] {
  return rowsOf(text, name, delimiter).rows[0]?.cells.map(strip) ?? [];
}

/** Whether the first line is a row of names, one of them a usual one for texts. */
export function seemsTable(text: string): boolean {
  const { first } = firstLine(text);
  const cells = first.split(likeliest(first)).map((cell) => strip(cell).replaceAll(/^"+|"+$/g, ""));
  const short = cells.every((cell) => cell.length > 0 && cell.length <= LONGEST_NAME);
  return cells.length > 1 && short && new Set(cells).size === cells.length && usual(cells) !== undefined;
}

/** The first line that holds something, and whether it only names the delimiter, as Excel writes it. */
function firstLine(text: string): { first: string; skipped: boolean } {
  const first = lines(text)[0]?.[1] ?? "";
  return { first, skipped: /^sep=[,;\t]$/i.test(first) };
}

function likeliest(line: string): string {
  const outside = line
    .split('"')
    .filter((_, at) => at % 2 === 0)
    .join("");
  const count = (mark: string) => outside.split(mark).length;
  return DELIMITERS.reduce((best, mark) => (count(mark) > count(best) ? mark : best));
}

function rowsOf(
  text: string,
  name: string,
  delimiter: string | undefined,
): { rows: Row[]; mark: string; notes: string[] } {
  const { first, skipped } = firstLine(text);
  const mark = delimiter ?? (skipped ? first.charAt(4) : likeliest(first));
  const from = Number(skipped);
  try {
    const rows = parse(text, mark).filter(({ cells }) => cells.some((cell) => strip(cell) !== ""));
    return { rows: rows.slice(from), mark, notes: [] };
  } catch (cause) {
    if (mark !== "\t")
      throw new Problem(
        `${name} is not CSV: ${(cause as Error).message}.`,
        "A cell that holds a quotation mark is quoted, and the mark doubled.",
        { cause },
      );
  }
  // in TSV a quotation mark is text, where nobody has quoted anything
  const plain = lines(text).map(([line, cells]) => ({ line, cells: cells.split("\t") }));
  return { rows: plain.slice(from), mark, notes: ["its quotation marks are taken as text"] };
}

/** The place of the column of texts; undefined where the first row is a document already. */
function columnOf(names: readonly string[], name: string, field: string | undefined): number | undefined {
  if (field !== undefined && !names.includes(field) && /^\d+$/.test(field)) {
    if (Number(field) >= 1 && Number(field) <= names.length) return undefined;
    throw new FieldNeeded(
      `${name} has ${names.length} columns, and no column ${field}.`,
      "Choose another.",
      names,
    );
  }
  const chosen = field === undefined ? usual(names) : names.includes(field) ? field : undefined;
  if (chosen !== undefined) return names.indexOf(chosen);
  if (field === undefined && names.length === 1) return undefined;
  const what =
    field === undefined ? "no column is called as texts usually are" : `no column is called ${field}`;
  const row = names.map((cell) => cell.slice(0, LONGEST_NAME)).join(", ");
  throw new FieldNeeded(
    `${name}: ${what}; its first row is: ${row}.`,
    "Choose the column that holds the texts.",
    names,
  );
}

function passage(
  { line, cells }: Row,
  names: readonly string[],
  index: number,
  width: number,
  source: string,
): Passage {
  const text = cells[index];
  if (text === undefined || cells.slice(width).some((cell) => strip(cell) !== ""))
    throw new Problem(
      `${source}, line ${line} has ${cells.length} columns, not ${width}.`,
      "Quote a text that holds the delimiter.",
    );
  if (!names.length) return { text, id: null };
  const pairs = names.slice(0, cells.length).map((key, at): [string, string] => [key, cells[at] ?? ""]);
  const record = new Map(pairs);
  return { text: titled(record, names[index] ?? "", text), id: idOf(record) };
}
