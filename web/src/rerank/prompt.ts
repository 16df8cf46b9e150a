/**
 * (template, instruction, query) -> the text around a document: the only place that knows the published templates.
 *
 * A prompt is four pieces, encoded one by one and concatenated with nothing between them: control prefix, user head
 * "<Instruct>: ...<Document>:", the document with a space before it, control suffix. The tokenizer's pattern never
 * joins ":" with a following space, so the ids are those of the model card's recipe, which encodes head and document
 * as one string. The texts are those of the model card of Qwen3-Reranker.
 */
import { InputError } from "./errors.ts";
import { isBlank } from "./spaces.ts";
import type { TemplateName } from "./types.ts";

export const DEFAULT_INSTRUCTION =
  "Given a web search query, retrieve relevant passages that answer the query";

const SYSTEM =
  "Judge whether the Document meets the requirements based on the Query and the Instruct provided. " +
  'Note that the answer can only be "yes" or "no".';
/** The control text in front of every prompt, in all published templates. */
export const PREFIX = `<|im_start|>system\n${SYSTEM}<|im_end|>\n<|im_start|>user\n`;
const SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

export interface Template {
  readonly name: string;
  /** Control text. */
  readonly prefix: string;
  /** User text, with {instruction} and {query} where these go. */
  readonly head: string;
  /** Control text. */
  readonly suffix: string;
  /** Stands before a document, and is encoded with it. */
  readonly lead: string;
}

export interface Frame {
  readonly prefix: string;
  readonly head: string;
  readonly suffix: string;
  readonly lead: string;
}

/** separator: stands between the fields of the user turn. */
function published(name: TemplateName, separator: string, suffix = SUFFIX): Template {
  const head = `<Instruct>: {instruction}${separator}<Query>: {query}${separator}<Document>:`;
  return { name, prefix: PREFIX, head, suffix, lead: " " };
}

const TEMPLATES: readonly Template[] = [
  published("card", "\n"),
  published("chat", "\n\n"),
  published("onnx-card", "\n\n", SUFFIX.slice(0, -1)),
];
const PLACE = /\{(instruction|query)\}/g;

/** The template of that name. Throws InputError for an unknown one. */
export function templateNamed(name: string): Template {
  const found = TEMPLATES.find((template) => template.name === name);
  if (found) return found;
  const known = TEMPLATES.map((template) => template.name).join(", ");
  throw new InputError("template", `${JSON.stringify(name)} is not known`, `use one of: ${known}`);
}

/** The text around every document of a call. Text is inserted once, never substituted into again. */
export function frame(template: Template, instruction: string, query: string): Frame {
  const { prefix, suffix, lead } = template;
  const head = template.head.replace(PLACE, (_, name) => (name === "query" ? query : instruction));
  return { prefix, head, suffix, lead };
}

/** Throws InputError for a query that asks nothing: the model would answer all the same. */
export function checkNotBlank(query: string): string {
  if (!isBlank(query)) return query;
  throw new InputError("query", "is empty", "give the question");
}
