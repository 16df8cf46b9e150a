// node worker.mjs FOLDER "query" < documents.txt     the same in a worker, so that the main thread stays free
import { readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Reranker } from "yesrank"; // in the main thread too: only there can onnxruntime's reports be switched off

if (isMainThread) {
  const [folder, query] = process.argv.slice(2);
  const documents = readFileSync(0, "utf8")
    .split("\n")
    .filter((line) => line.trim());
  const worker = new Worker(new URL(import.meta.url), { workerData: { folder, query, documents } });
  worker.on("message", (ranking) => {
    for (const { score, document } of ranking) console.log(score.toFixed(3), document);
  });
} else {
  const { folder, query, documents } = workerData;
  const reranker = await Reranker.load(folder);
  parentPort.postMessage(await reranker.rerank(query, documents));
  await reranker.dispose();
}
