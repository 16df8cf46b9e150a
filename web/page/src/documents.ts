/** Text -> documents. */

export type Rule = "line" | "paragraph";

/** Documents of a text: its lines, or what stands between empty lines. Without those that are empty. */
export function split(text: string, rule: Rule): string[] {
  const separator = rule === "line" ? /\r\n|\r|\n/ : /(?:\r\n|\r|\n)[^\S\r\n]*(?:\r\n|\r|\n)\s*/;
  return text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
