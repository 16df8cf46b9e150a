/**
 * (template, instruction, query) -> the text around a document: the only place that knows a template.
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
/** The control text in front of every prompt, in all templates. */
export const PREFIX = `<|im_start|>system\n${SYSTEM}<|im_end|>\n<|im_start|>user\n`;
const SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

export interface Template {
  readonly name: TemplateName;
  /** Stands between the fields of the user turn. */
  readonly separator: string;
  readonly prefix: string;
  readonly suffix: string;
}

export interface Frame {
  readonly prefix: string;
  readonly head: string;
  readonly suffix: string;
}

const TEMPLATES: readonly Template[] = [
  { name: "card", separator: "\n", prefix: PREFIX, suffix: SUFFIX },
  { name: "chat", separator: "\n\n", prefix: PREFIX, suffix: SUFFIX },
  { name: "onnx-card", separator: "\n\n", prefix: PREFIX, suffix: SUFFIX.slice(0, -1) },
];

/** The template of that name. Throws InputError for an unknown one. */
export function templateNamed(name: string): Template {
  const found = TEMPLATES.find((template) => template.name === name);
  if (found) return found;
  const known = TEMPLATES.map((template) => template.name).join(", ");
  throw new InputError("template", `${JSON.stringify(name)} is not known`, `use one of: ${known}`);
}

/** The text around every document of a call. Text is inserted once, never substituted into again. */
export function frame(template: Template, instruction: string, query: string): Frame {
  const { separator, prefix, suffix } = template;
  const head = `<Instruct>: ${instruction}${separator}<Query>: ${query}${separator}<Document>:`;
  return { prefix, head, suffix };
}

/** The document as it follows a frame's head. */
export function documentPiece(document: string): string {
  return ` ${document}`;
}

/** Throws InputError for a query that asks nothing: the model would answer all the same. */
export function checkNotBlank(query: string): string {
  if (!isBlank(query)) return query;
  throw new InputError("query", "is empty", "give the question");
}
