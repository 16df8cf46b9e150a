// Vercel's AI SDK: rerank() with the provider that the argument names.
import { createCohere } from "@ai-sdk/cohere";
import { createTogetherAI } from "@ai-sdk/togetherai";
import { rerank } from "ai";
import { createVoyage } from "voyage-ai-provider";
import { given, refusal, tell } from "./exchange.js";

const name = process.argv[3];

function provider() {
  if (name === "@ai-sdk/cohere") {
    // docs @ai-sdk/cohere
    return createCohere({ apiKey: given.key, baseURL: given.url });
    // end
  }
  if (name === "@ai-sdk/togetherai") {
    // docs @ai-sdk/togetherai
    return createTogetherAI({ apiKey: given.key, baseURL: given.url });
    // end
  }
  // docs voyage-ai-provider
  return createVoyage({ apiKey: given.key, baseURL: given.url });
  // end
}

const { query, documents } = given;

async function ask({ model = given.model, ...options } = {}) {
  const found = await rerank({ model: provider().reranking(model), query, documents, maxRetries: 0, ...options });
  return found.ranking;
}

const rank = async (options) => (await ask(options)).map((hit) => [hit.originalIndex, hit.score]);

await tell(name, {
  scores: rank,
  top_n: () => rank({ topN: given.top_n }),
  documents: async () => (await ask()).map((hit) => [hit.originalIndex, hit.score, hit.document]),
  refusal: () => refusal(() => rank({ model: given.unknown })),
});
