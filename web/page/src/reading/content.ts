/** Bytes -> text: what is no text is refused as what it is; the encoding is the one that the bytes state, else UTF-8. */

import { Problem } from "../problem.ts";

const HEAD = 4096;
const TEXT = "Make text of it first, then choose that.";
const UNPACK = "Unpack it first.";
const CSV = "Save it as CSV first.";
// over bytes as letters of Latin-1; dot-all where a mark goes over any byte
const KINDS: readonly (readonly [RegExp | string, string, string])[] = [
  [
    /^version https:\/\/git-lfs\.github\.com\/spec\//,
    "a Git LFS pointer, not the file itself",
    "Fetch the file: git lfs pull.",
  ],
  [/^\s*(<!--.*?-->\s*)*<(!doctype\s+html|html)\b/is, "a web page", TEXT],
  [/^\s*%PDF-\d/, "a PDF file", "Make text of it first, for example with pdftotext."],
  [/^\{\\rtf\d/, "an RTF file", TEXT],
  ["\xd0\xcf\x11\xe0", "an old Office file", "Save it as text or CSV first."],
  [/^PAR1[^\s -~]/, "a Parquet file", "Write it as JSONL or CSV first."],
  ["SQLite format 3\0", "a SQLite database", "Write its texts as JSONL or CSV first."],
  ["\x1f\x8b", "packed with gzip", UNPACK],
  [/^BZh\d1AY&SY/, "packed with bzip2", UNPACK],
  ["\xfd7zXZ\0", "packed with xz", UNPACK],
  ["\x28\xb5\x2f\xfd", "packed with Zstandard", UNPACK],
  [/^\x89PNG|^\xff\xd8\xff|^GIF8[79]a|^RIFF....WEBP|^II\*\0|^MM\0\*/s, "a picture", TEXT],
];
const PACKED: readonly (readonly [string, string, string])[] = [
  ["word/", "a Word document", TEXT],
  ["xl/", "an Excel file", CSV],
  ["ppt/", "a PowerPoint file", TEXT],
  ["application/vnd.oasis", "an OpenDocument file", TEXT],
  ["application/epub", "an EPUB book", TEXT],
];
const AGAIN = "Save it as UTF-8 and choose it again.";

/** The text, with its mark taken off. html: take a web page as it is. Throws Problem for what is no text. */
export function textOf(data: Uint8Array, name: string, html = false): string {
  const encoding = marked(data);
  if (encoding !== "utf-8") return decoded(data, encoding, name);
  const body = data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf ? data.subarray(3) : data;
  refuseOthers(body, name, html);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw notUtf8(body, name);
  }
}

type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "utf-32le" | "utf-32be";

/** By the mark in front; the longer one first, for UTF-32's begins as UTF-16's does. */
function marked(data: Uint8Array): Encoding {
  const [a, b, c, d] = data;
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return "utf-32le";
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return "utf-32be";
  if (a === 0xff && b === 0xfe) return "utf-16le";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  return "utf-8";
}

function decoded(data: Uint8Array, encoding: Encoding, name: string): string {
  try {
    if (encoding.startsWith("utf-16"))
      return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(data.subarray(2));
    return utf32(data.subarray(4), encoding === "utf-32le");
  } catch (cause) {
    const said = encoding.slice(0, -2).toUpperCase();
    throw new Problem(`${name} says that it is ${said}, and is damaged.`, "Save it again, best as UTF-8.", {
      cause,
    });
  }
}

function utf32(data: Uint8Array, little: boolean): string {
  if (data.length % 4) throw new RangeError("cut");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const parts: string[] = [];
  for (let at = 0; at < data.length; at += 4) {
    const point = view.getUint32(at, little);
    if (point >= 0xd800 && point < 0xe000) throw new RangeError("a surrogate");
    parts.push(String.fromCodePoint(point));
  }
  return parts.join("");
}

function refuseOthers(data: Uint8Array, name: string, html: boolean): void {
  const head = latin(data.subarray(0, HEAD));
  if (head.startsWith("PK\x03\x04")) throw packed(head + latin(data.subarray(-4 * HEAD)), name);
  const found = KINDS.find(([start]) =>
    typeof start === "string" ? head.startsWith(start) : start.test(head),
  );
  if (found && !(html && found[1] === "a web page")) throw new Problem(`${name} is ${found[1]}.`, found[2]);
  if (data.includes(0)) throw binary(data, name);
}

function packed(inside: string, name: string): Problem {
  const [, what, next] = PACKED.find(([mark]) => inside.includes(mark)) ?? ["", "a ZIP archive", UNPACK];
  return new Problem(`${name} is ${what}.`, next);
}

function notUtf8(data: Uint8Array, name: string): Problem {
  if (data.some((byte) => byte < 9 || (byte > 13 && byte < 27) || byte === 127)) return binary(data, name);
  return new Problem(`${name} is not UTF-8 (line ${badLine(data)}).`, AGAIN);
}

function badLine(data: Uint8Array): number {
  let [begin, line] = [0, 1];
  for (;;) {
    const end = data.indexOf(10, begin);
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(data.subarray(begin, end < 0 ? undefined : end));
    } catch {
      return line;
    }
    if (end < 0) return line;
    [begin, line] = [end + 1, line + 1];
  }
}

/** Zero bytes: at every second place they are UTF-16 of Latin letters, whose mark is missing. */
function binary(data: Uint8Array, name: string): Problem {
  const head = data.subarray(0, HEAD);
  const [even, odd] = [head.filter((_, at) => at % 2 === 0), head.filter((_, at) => at % 2 === 1)];
  for (const [encoding, zeros, letters] of [
    ["UTF-16LE", odd, even],
    ["UTF-16BE", even, odd],
  ] as const) {
    if (count(zeros) > 0.8 * zeros.length && count(letters) < 0.1 * letters.length)
      return new Problem(`${name} seems to be ${encoding} without its mark.`, AGAIN);
  }
  return new Problem(`${name} is a binary file, no text.`, "Choose text, Markdown, JSON, JSONL, CSV or TSV.");
}

function count(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + Number(byte === 0), 0);
}

function latin(bytes: Uint8Array): string {
  return [...bytes].map((byte) => String.fromCharCode(byte)).join("");
}
