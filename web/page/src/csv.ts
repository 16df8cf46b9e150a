/** CSV in and out, after RFC 4180. */

const DELIMITERS = [",", ";", "\t"] as const;

/** Rows of fields. The delimiter is the one that the first line has most of. Throws SyntaxError for an open quote. */
export function parse(text: string): string[][] {
  const delimiter = detect(text);
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    const [value, end] = text[at] === '"' ? quoted(text, at) : plain(text, at, delimiter);
    row.push(value);
    at = end;
    if (text[at] === delimiter) {
      at += 1;
      if (at === text.length) row.push("");
      continue;
    }
    if (text[at] === "\r") at += 1;
    if (text[at] === "\n") at += 1;
    rows.push(row);
    row = [];
  }
  if (row.length > 0) rows.push(row);
  return rows.filter((each) => each.length > 1 || each[0] !== "");
}

/** One line of fields, safe to open in a spreadsheet: see `cell`. */
export function line(values: readonly (string | number)[]): string {
  return `${values.map(cell).join(",")}\r\n`;
}

/** Text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV Injection"). */
function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const safe = /^\s*[=+\-@\t\r]|^[＝＋－＠]/.test(value) ? `'${value}` : value;
  return `"${safe.replaceAll('"', '""')}"`;
}

function detect(text: string): string {
  const first = text.replaceAll(/"(?:[^"]|"")*"/g, "").split(/\r|\n/, 1)[0] ?? "";
  const count = (mark: string) => first.split(mark).length;
  return DELIMITERS.reduce((best, mark) => (count(mark) > count(best) ? mark : best));
}

function plain(text: string, begin: number, delimiter: string): [string, number] {
  let end = begin;
  while (end < text.length && text[end] !== delimiter && text[end] !== "\n" && text[end] !== "\r") end += 1;
  return [text.slice(begin, end), end];
}

function quoted(text: string, begin: number): [string, number] {
  let at = begin + 1;
  for (;;) {
    const mark = text.indexOf('"', at);
    if (mark < 0) {
      const row = text.slice(0, begin).split("\n").length;
      throw new SyntaxError(`a quotation mark that opens in line ${row} is never closed`);
    }
    if (text[mark + 1] !== '"') {
      return [text.slice(begin + 1, mark).replaceAll('""', '"'), mark + 1];
    }
    at = mark + 2;
  }
}
