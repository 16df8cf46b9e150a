/** Plain text and Markdown -> passages: lines, paragraphs, or the whole. */

import { SPACE, strip } from "../../../src/rerank/spaces.ts";
import type { Options, Part } from "./passages.ts";

const HOW = { lines: "one a line", paragraphs: "one a paragraph", whole: "the whole as one" } as const;
const EMPTY_LINES = new RegExp(`\n(?:(?:(?!\n)${SPACE})*\n)+`);

/** A document a line, for Markdown the whole; or as the options say. What holds nothing is no document. */
export function readText(text: string, options: Options, markdown: boolean): Part {
  const split = options.split ?? (markdown ? "whole" : "lines");
  const passages = parts(text, split).map((part) => ({ text: part, id: null }));
  return { passages, what: `${markdown ? "Markdown" : "text"}, ${HOW[split]}`, notes: [] };
}

/** Lines that hold something, with their numbers. Only LF ends a line: U+2028 and its like are text. */
export function lines(text: string): [number, string][] {
  return text
    .split("\n")
    .map((line, at): [number, string] => [at + 1, line.replace(/\r$/, "")])
    .filter(([, line]) => strip(line) !== "");
}

/** Text of old Macs, whose lines end at CR, has lines as well. */
function ends(text: string): string {
  return text.includes("\n") ? text : text.replaceAll("\r", "\n");
}

function parts(text: string, split: keyof typeof HOW): string[] {
  if (split === "lines") return lines(ends(text)).map(([, line]) => line);
  if (split === "whole") return strip(text) ? [text.replaceAll(/^[\r\n]+|[\r\n]+$/g, "")] : [];
  return ends(text)
    .replaceAll("\r\n", "\n")
    .split(EMPTY_LINES)
    .filter((part) => strip(part) !== "")
    .map((part) => part.replaceAll(/^\n+|\n+$/g, ""));
}
