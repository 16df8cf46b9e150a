// Vercel's AI SDK: rerank() with the Cohere provider.
import { createCohere } from "@ai-sdk/cohere";
import { rerank } from "ai";
import { given, refusal, tell } from "./exchange.js";

// docs
const cohere = createCohere({ apiKey: given.key, baseURL: given.url });
// end
const { query, documents } = given;

async function ask({ name = given.model, ...options } = {}) {
  const found = await rerank({ model: cohere.reranking(name), query, documents, maxRetries: 0, ...options });
  return found.ranking;
}

const rank = async (options) => (await ask(options)).map((hit) => [hit.originalIndex, hit.score]);

await tell("@ai-sdk/cohere", {
  scores: rank,
  top_n: () => rank({ topN: given.top_n }),
  documents: async () => (await ask()).map((hit) => [hit.originalIndex, hit.score, hit.document]),
  refusal: () => refusal(() => rank({ name: given.unknown })),
});
