// Cohere's own client: the first edition of its interface, which gives documents back.
import { CohereClient } from "cohere-ai";
import { given, refusal, tell } from "./exchange.js";

// docs
const client = new CohereClient({ token: given.key, environment: given.url });
// end
const { model, query, documents } = given;

async function ask(options = {}) {
  return (await client.rerank({ model, query, documents, ...options })).results;
}

const rank = async (options) => (await ask(options)).map((hit) => [hit.index, hit.relevanceScore]);
const hits = await ask({ returnDocuments: true });

await tell("cohere-ai", {
  scores: rank,
  top_n: () => rank({ topN: given.top_n }),
  objects: () => rank({ documents: documents.map((text) => ({ text })) }),
  documents: async () => hits.map((hit) => [hit.index, hit.relevanceScore, hit.document.text]),
  refusal: () => refusal(() => rank({ model: given.unknown })),
});
