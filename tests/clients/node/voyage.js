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
const hits = await ask({ returnDocuments: true });

tell("voyageai", {
  scores: await rank(),
  top_n: await rank({ topK: given.top_n }),
  documents: hits.map((hit) => [hit.index, hit.relevanceScore, hit.document]),
  refusal: await refusal(() => rank({ model: given.unknown })),
});
