/** Which member or column of a record is the text of a document, which its title, which its id. */

import { strip } from "../../../src/rerank/spaces.ts";

/** What a text is usually called, the likeliest first. */
export const TEXTS = [
  "text",
  "document",
  "contents",
  "content",
  "passage",
  "body",
  "doc",
  "chunk",
  "page_content",
  "description",
  "abstract",
];
export const IDS = ["id", "_id", "docid", "doc_id", "document_id"];

/** The name that is a usual one, in the order of `wanted`; capitals and spaces around it do not count. */
export function usual(names: readonly string[], wanted: readonly string[] = TEXTS): string | undefined {
  const known = new Map<string, string>();
  for (const name of names) {
    const plain = strip(name).toLowerCase();
    if (!known.has(plain)) known.set(plain, name);
  }
  return wanted.map((each) => known.get(each)).find((found) => found !== undefined);
}

/** The text after its title, where there is one: as collections for retrieval are joined. */
export function titled(record: ReadonlyMap<string, unknown>, field: string, text: string): string {
  const name = usual([...record.keys()], ["title"]);
  const title = name !== undefined && name !== field ? record.get(name) : undefined;
  return typeof title === "string" && strip(title) ? `${title} ${text}` : text;
}

/** The first of the usual ids that is set. */
export function idOf(record: ReadonlyMap<string, unknown>): string | null {
  for (const each of IDS) {
    const name = usual([...record.keys()], [each]);
    const value = name === undefined ? undefined : record.get(name);
    if (value !== undefined && value !== null && value !== "") return String(value);
  }
  return null;
}
