/** A folder's own template: the text of template.txt -> Template. The rule is the Python package's (docs/prompts.md). */
import { ModelError } from "./errors.ts";
import type { Template } from "./prompt.ts";

/** The file that holds it. */
export const FILE = "template.txt";

const OWN = "own-";
const DIGITS = 12;
const PLACE = /\{(instruction|query|document|answer)\}/;
const CONTROL = /<\|[^<>|\s]+\|>|<\/?(?:think|tool_call|tool_response)>/g;
const AGAIN = "copy the folder again, or convert the checkpoint again";

/** Whether a manifest's name is that of a template of its own. */
export function isOwn(name: string): boolean {
  return name.startsWith(OWN);
}

/** The template that a text describes. name: as the manifest calls it. Throws ModelError where it is another one. */
export async function ownTemplate(bytes: Uint8Array, name: string, where: string): Promise<Template> {
  const made = parsed(bytes, name);
  if (made && (await hasName(made, name))) return made;
  throw new ModelError(`${where} is not the template that yesrank.json names`, AGAIN);
}

/** undefined for what Python would not have written: all else about it was checked when the folder was made. */
function parsed(bytes: Uint8Array, name: string): Template | undefined {
  const [before = "", first, between = "", second, label = "", third, suffix = "", fourth, after = ""] = utf8(
    bytes,
  )
    .replaceAll("\r\n", "\n")
    .split(PLACE);
  const places = [first, second].sort().concat(third, fourth).join();
  if (places !== "instruction,query,document,answer" || after.trim()) return undefined;
  const ends = [...before.matchAll(CONTROL)].map((found) => found.index + found[0].length);
  const start = Math.max(before.lastIndexOf("\n") + 1, ...ends);
  const ending = label.replace(/ +$/, "");
  const head = `${before.slice(start)}{${first}}${between}{${second}}${ending}`;
  return { name, prefix: before.slice(0, start), head, suffix, lead: label.slice(ending.length) };
}

/** The name is a hash of the text. Pages that came over plain http have nothing to compute it with. */
async function hasName(template: Template, name: string): Promise<boolean> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return true;
  const { prefix, head, lead, suffix } = template;
  const text = new TextEncoder().encode(`${prefix}${head}${lead}{document}${suffix}{answer}\n`);
  const digest = new Uint8Array(await subtle.digest("SHA-256", text));
  const digits = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return name === OWN + digits.slice(0, DIGITS);
}

/** Without the mark of its encoding; "" for what is not UTF-8. */
function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "";
  }
}
