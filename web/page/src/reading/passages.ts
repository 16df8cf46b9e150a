/** What reading gives, and what may be asked of it: the same as in the Python package (yesrank.documents). */

import { Problem } from "../problem.ts";

export type Format = "text" | "markdown" | "json" | "jsonl" | "csv" | "tsv";
export type Split = "lines" | "paragraphs" | "whole";

export interface Passage {
  readonly text: string;
  /** Where the source has one. */
  readonly id: string | null;
}

/**
 * format: whatever name and content say. field: the member or column that holds the text, or the number of a column,
 * counted from 1, where the first row holds no names. split: of plain text and Markdown.
 */
export interface Options {
  readonly format?: Format | undefined;
  readonly field?: string | undefined;
  readonly split?: Split | undefined;
}

/** What a source held. what: how it was read, such as "JSONL, field text". notes: what is odd about it. */
export interface Part {
  readonly passages: readonly Passage[];
  readonly what: string;
  readonly notes: readonly string[];
}

/** Nobody knows which member or column holds the texts: a person can say. */
export class FieldNeeded extends Problem {
  /** Those that might. */
  readonly fields: readonly string[];

  constructor(message: string, next: string, fields: readonly string[]) {
    super(message, next);
    this.fields = fields;
  }
}

export function emptyOnes(passages: readonly Passage[], blank: (text: string) => boolean): string[] {
  const empty = passages.filter(({ text }) => blank(text)).length;
  return empty ? [`${empty} of ${passages.length} documents are empty`] : [];
}
