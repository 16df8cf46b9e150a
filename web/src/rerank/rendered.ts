/**
 * Texts that a caller has put into the prompt's template already -> what was put in.
 *
 * The rule is that of the Python package (docs/prompts.md there), and tests/cases/rendered.json holds both to it. The
 * query decides, from its first character to its last; what a document holds never changes how another is read.
 */
import { InputError } from "./errors.ts";
import { PREFIX, type Template } from "./prompt.ts";
import { SPACE, strip } from "./spaces.ts";
import { isOwn } from "./templates.ts";

const CONTROL = "<|im_start|>";
const INSTRUCT = "<Instruct>:";
const QUERY = "<Query>:";
const DOCUMENT = "<Document>:";
const END = /^<\|im_end\|>\n<\|im_start\|>assistant(\n(<think>\n\n<\/think>\n{0,2})?)?$/;
const EMBEDDING = /^Instruct:(?<instruction>.*?)\nQuery:(?<query>.*)$/s;
const BEGINS = "(?:<|&lt;)?(?:instruct|instruction|query|document)(?:>|&gt;)?";
const LONE_LABEL = new RegExp(`^[^\\p{L}\\p{N}_]*${BEGINS}${SPACE}*[:\uff1a]`, "iu");
const SPELT_OUT = new RegExp(String.raw`\\n${SPACE}*(?:<Query>|Query):`);
const SYSTEM = PREFIX.split("\n")[1]?.split("<|im_end|>")[0] ?? "";
const ENDS = ["<|im_end|>", "<|im_start|>assistant", "<think>\n\n</think>"];
const BLANK = /^[ \t\r\n\u00a0\u3000\ufeff\u200b]+/; // also what files and pages begin with, and no one sees
const BLANK_END = /[ \t\r\n\u00a0\u3000\ufeff\u200b]+$/;
const PLAIN = "give the query and the documents as they are, and the instruction as `instruction`";
const NOT_HELD = "begins with the chat template and does not hold to it";
const AS_TEXT = "; where it is meant as text, say asText";

export const UNWRAPPED = "query and documents came in the chat template, and were taken out of it";
export const LABELS = "the query came with labels of a prompt, and was taken out of them";
export const LONE = "the query begins with a label, which is read as its text";
export const PARTS = "the query holds parts of a chat template, which are read as its text";
export const DOCUMENTS_ONLY =
  "the documents look like parts of a prompt and the query does not: all is read as text";

/** Texts as they are to be judged. notes: what a caller should be told, without any text of theirs. */
export interface Plain {
  readonly query: string;
  readonly documents: readonly string[];
  /** The query's own; undefined where it brought none. */
  readonly instruction: string | undefined;
  readonly notes: readonly string[];
}

interface Parts {
  /** The note that tells of it. */
  readonly kind: typeof UNWRAPPED | typeof LABELS;
  readonly query: string;
  readonly instruction: string | undefined;
  /** The template that it came in, where that is none of the published ones. */
  readonly own?: Own | undefined;
}

/** A template of the model's own as callers apply it: its parts, without the white space around them. */
class Own {
  readonly label: string;
  readonly #first: string;
  readonly #opening: string;
  readonly #between: string;
  readonly #suffix: string;

  constructor(template: Template) {
    const [before = "", first = "", between = "", , label = ""] =
      template.head.split(/\{(instruction|query)\}/);
    this.#first = first;
    this.#opening = strip(template.prefix + before);
    this.#between = strip(between);
    this.label = strip(label);
    this.#suffix = strip(template.suffix);
  }

  /** What a query is made of; undefined where it does not begin as this template does. */
  read(start: string): Parts | undefined {
    if (!this.#opening || !start.startsWith(this.#opening)) return undefined;
    const body = start.slice(this.#opening.length);
    const [one = "", other = "", ...more] = body.split(this.#between);
    const parts = body.includes(this.#between) && more.length === 0;
    if (!parts || (this.label && body.includes(this.label)) || body.includes("<|im_")) {
      if (!this.#opening.includes(CONTROL)) return undefined; // a mere word, with which questions may begin
      throw refused(NOT_HELD);
    }
    const [instruction, query] = this.#first === "instruction" ? [one, other] : [other, one];
    return { ...partsOf(UNWRAPPED, instruction, query), own: this };
  }

  /** Where the template's end begins in a document; -1 where it has none. */
  end(text: string): number {
    const whole = text.replace(new RegExp(`${SPACE}+$`), "");
    return whole.endsWith(this.#suffix) ? whole.length - this.#suffix.length : -1;
  }
}

/**
 * Takes query and documents out of the template where they are in it; else they are left as they are.
 *
 * asked: the instruction that the caller gives besides. template: the model's, which is known besides the published
 * ones. Throws InputError for what begins as a template and does not
 * go on as one, and for an instruction that is given twice and differs.
 */
export function plain(
  query: string,
  documents: readonly string[],
  asked?: string,
  template?: Template,
): Plain {
  const parts = read(query, template && isOwn(template.name) ? new Own(template) : undefined);
  if (!parts) return { query, documents, instruction: undefined, notes: notes(query, documents) };
  if (asked !== undefined && parts.instruction !== undefined && parts.instruction !== strip(asked)) {
    throw new InputError("instruction", "is given here and in the query, and differs", PLAIN);
  }
  const { kind, own, ...taken } = parts;
  return { ...taken, documents: takenOut(kind, documents, own), notes: [kind] };
}

/** What a query is made of; undefined where it is one itself. */
function read(text: string, own: Own | undefined): Parts | undefined {
  const start = text.replace(BLANK, "");
  const ours = own?.read(start);
  if (ours) return ours;
  if ([INSTRUCT, "Instruct:", CONTROL].some((mark) => start.startsWith(mark)) && SPELT_OUT.test(start)) {
    throw refused("has ends of lines spelt out as a backslash and an n");
  }
  if (start.startsWith(CONTROL)) return labelled(UNWRAPPED, withoutPrefix(start));
  if (start.startsWith(INSTRUCT) || start.startsWith(QUERY)) return labelled(LABELS, start);
  const found = EMBEDDING.exec(start);
  if (!found) return undefined;
  const { instruction = "", query = "" } = found.groups ?? {};
  if (query.includes("\nQuery:") || start.includes("\nInstruct:")) return undefined;
  return partsOf(LABELS, instruction, query);
}

function withoutPrefix(start: string): string {
  if (!start.startsWith(PREFIX)) throw refused("begins with a chat template that is not this model's");
  const body = start.slice(PREFIX.length);
  if (body.startsWith(INSTRUCT) && !body.includes("<|im_")) return body;
  throw refused(NOT_HELD);
}

/** <Instruct>: ... <Query>: ..., or the latter alone: each label once, or nobody knows which one is the label. */
function labelled(kind: Parts["kind"], body: string): Parts {
  const at = body.indexOf(QUERY);
  const before = body.slice(0, at);
  const query = body.slice(at + QUERY.length);
  if (at < 0 || [QUERY, INSTRUCT].some((label) => query.includes(label)) || body.includes(DOCUMENT)) {
    throw refused("holds labels of a prompt that can be read in more than one way");
  }
  if (before.split(INSTRUCT).length > 2) throw refused(`holds ${INSTRUCT} more than once`);
  return partsOf(kind, before.startsWith(INSTRUCT) ? before.slice(INSTRUCT.length) : before, query);
}

function partsOf(kind: Parts["kind"], instruction: string, query: string): Parts {
  if (!strip(query)) throw new InputError("query", "is empty behind its label", "give the question");
  return { kind, query: strip(query), instruction: strip(instruction) || undefined };
}

/** The label alone is one only where all documents have it. */
function takenOut(kind: Parts["kind"], documents: readonly string[], own: Own | undefined): string[] {
  if (kind === UNWRAPPED) return documents.map((document, at) => unwrapped(document, at, own));
  const all = documents.every((text) => text.startsWith(DOCUMENT));
  return all ? documents.map((document) => withoutLabel(document)) : [...documents];
}

function unwrapped(document: string, at: number, own: Own | undefined): string {
  const text = document.replace(BLANK, "");
  const label = own ? own.label : DOCUMENT;
  const end = own ? own.end(text) : endOf(text);
  if (end >= label.length && text.startsWith(label)) return withoutLabel(text.slice(0, end), label);
  throw new InputError(
    `documents[${at}]`,
    `is not in the chat template, and the query is: it has no ${label} in front or no end of turn behind`,
    PLAIN + AS_TEXT,
  );
}

/** Where the template's end begins; -1 where the text does not end so. */
function endOf(text: string): number {
  const end = text.lastIndexOf("<|im_end|>");
  return end >= 0 && END.test(text.slice(end)) ? end : -1;
}

function withoutLabel(text: string, label = DOCUMENT): string {
  const rest = text.startsWith(label) ? text.slice(label.length) : text;
  return rest.startsWith(" ") ? rest.slice(1) : rest;
}

/** What is left as it is and looks as if it were meant otherwise. */
function notes(query: string, documents: readonly string[]): string[] {
  const rendered = documents.length > 0 && documents.every(looksRendered);
  return [
    ...(LONE_LABEL.test(query) ? [LONE] : []),
    ...(holdsParts(query) ? [PARTS] : []),
    ...(rendered ? [DOCUMENTS_ONLY] : []),
  ];
}

/** The system prompt, or the end of a turn behind all else; not a word of it, as where somebody asks what it means. */
function holdsParts(text: string): boolean {
  const end = strip(text);
  return text.includes(SYSTEM) || ENDS.some((mark) => end.endsWith(mark));
}

function looksRendered(text: string): boolean {
  const start = text.replace(BLANK, "");
  return (
    [DOCUMENT, INSTRUCT, PREFIX].some((mark) => start.startsWith(mark)) ||
    endOf(text.replace(BLANK_END, "")) >= 0
  );
}

function refused(what: string): InputError {
  return new InputError("query", what, PLAIN + AS_TEXT);
}
