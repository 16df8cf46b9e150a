/** A ranking as a file. */

import { line } from "./csv.ts";
import type { Outcome } from "./outcome.ts";

/** All that is needed to understand and repeat the ranking. `index` is the position in the documents given, from 0. */
export function toJson(outcome: Outcome): string {
  const { query, instruction, documents, ids, results, ...rest } = outcome;
  const ranked = results.map(({ index, score, logit, truncated }, rank) => ({
    rank: rank + 1,
    index,
    ...(ids ? { id: ids[index] ?? null } : {}),
    score,
    logit,
    truncated,
    document: documents[index],
  }));
  return `${JSON.stringify({ query, instruction, ...rest, results: ranked }, null, 2)}\n`;
}

/** A table with one row a document. It begins with a byte order mark, without which Excel takes UTF-8 for something else. */
export function toCsv(outcome: Outcome): string {
  const { documents, ids, results } = outcome;
  const idOf = (index: number) => (ids ? [ids[index] ?? ""] : []);
  const head = line(["rank", "index", ...(ids ? ["id"] : []), "score", "logit", "truncated", "document"]);
  const rows = results.map(({ index, score, logit, truncated }, rank) =>
    line([rank + 1, index, ...idOf(index), score, logit, truncated ? "yes" : "no", documents[index] ?? ""]),
  );
  return `\ufeff${head}${rows.join("")}`;
}

/** Hands a file to the browser's downloads. */
export function save(name: string, type: string, content: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
