// voyageai: its own field names and its own shape of answer.
import { VoyageAIClient } from "voyageai";
import { given, refusal, tell } from "./exchange.js";

// docs
const client = new VoyageAIClient({ apiKey: given.key, environment: given.url });
// end
const { model, query, documents } = given;

async function ask(options = {}) {
  return (await client.rerank({ model, query, documents, ...options })).data;
}

const rank = async (options) => (await ask(options)).map((hit) => [hit.index, hit.relevanceScore]);

await tell("voyageai", {
  scores: rank,
  top_n: () => rank({ topK: given.top_n }),
  documents: async () => (await ask({ returnDocuments: true })).map((hit) => [hit.index, hit.relevanceScore, hit.document]),
  refusal: () => refusal(() => rank({ model: given.unknown })),
});
