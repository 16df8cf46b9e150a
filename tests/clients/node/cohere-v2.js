// Cohere's own client: the second edition of its interface.
import { CohereClientV2 } from "cohere-ai";
import { given, refusal, tell } from "./exchange.js";

// docs
const client = new CohereClientV2({ token: given.key, environment: given.url });
// end
const { model, query, documents } = given;

async function rank(options = {}) {
  const found = await client.rerank({ model, query, documents, ...options });
  return found.results.map((hit) => [hit.index, hit.relevanceScore]);
}

await tell("cohere-ai", {
  scores: rank,
  top_n: () => rank({ topN: given.top_n }),
  refusal: () => refusal(() => rank({ model: given.unknown })),
});
