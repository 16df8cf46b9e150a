// node rank.mjs FOLDER "query" < documents.txt     one document a line; the best come first
import { readFileSync } from "node:fs";
import { Reranker } from "yesrank";

const [folder, query] = process.argv.slice(2);
const documents = readFileSync(0, "utf8")
  .split("\n")
  .filter((line) => line.trim());

const reranker = await Reranker.load(folder);
for (const { score, document } of await reranker.rerank(query, documents)) {
  console.log(score.toFixed(3), document);
}
await reranker.dispose();
