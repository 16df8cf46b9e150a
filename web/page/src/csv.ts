/** CSV in and out, after RFC 4180. */

export interface Row {
  /** The line that it begins at. */
  readonly line: number;
  readonly cells: string[];
}

/** Rows, an empty line among them as one empty cell. Throws SyntaxError, which names the line, for a quotation mark amiss. */
export function parse(text: string, delimiter: string): Row[] {
  const rows: Row[] = [];
  let [at, line] = [0, 1];
  while (at < text.length) {
    const begin = at;
    const cells: string[] = [];
    for (;;) {
      const [value, end] = text[at] === '"' ? quoted(text, at, delimiter, line) : plain(text, at, delimiter);
      cells.push(value);
      at = end;
      if (text[at] !== delimiter) break;
      at += 1;
    }
    rows.push({ line, cells });
    if (text[at] === "\r") at += 1;
    if (text[at] === "\n") at += 1;
    line += text.slice(begin, at).match(/\r\n|\r|\n/g)?.length ?? 0;
  }
  return rows;
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

function plain(text: string, begin: number, delimiter: string): [string, number] {
  let end = begin;
  while (end < text.length && text[end] !== delimiter && text[end] !== "\n" && text[end] !== "\r") end += 1;
  return [text.slice(begin, end), end];
}

function quoted(text: string, begin: number, delimiter: string, line: number): [string, number] {
  let at = begin + 1;
  for (;;) {
    const mark = text.indexOf('"', at);
    if (mark < 0) throw new SyntaxError(`a quotation mark is never closed (line ${line})`);
    if (text[mark + 1] !== '"') {
      const next = text[mark + 1];
      if (next !== undefined && next !== delimiter && next !== "\r" && next !== "\n")
        throw new SyntaxError(`text stands behind a closing quotation mark (line ${line})`);
      return [text.slice(begin + 1, mark).replaceAll('""', '"'), mark + 1];
    }
    at = mark + 2;
  }
}
