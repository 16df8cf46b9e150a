// The own clients of services: the one that the argument names.
import { CohereRerank } from "@langchain/cohere";
import { Document } from "@langchain/core/documents";
import Mixedbread from "@mixedbread/sdk";
import { OpenRouter } from "@openrouter/sdk";
import { Pinecone } from "@pinecone-database/pinecone";
import { CohereClient } from "cohere-ai";
import ContextualAI from "contextual-client";
import Together from "together-ai";
import ZeroEntropy from "zeroentropy";
import { given, refusal, tell } from "./exchange.js";

const name = process.argv[3];
const { query, documents } = given;
const makers = {
  "@mixedbread/sdk"() {
    // docs @mixedbread/sdk
    const client = new Mixedbread({ apiKey: given.key, baseURL: given.url, maxRetries: 0 });
    // end
    return async (model, top_k) =>
      (await client.rerank({ model, query, input: documents, top_k })).data.map((hit) => [hit.index, hit.score]);
  },
  "@openrouter/sdk"() {
    // docs @openrouter/sdk
    const client = new OpenRouter({ apiKey: given.key, serverURL: given.url });
    // end
    return async (model, topN) =>
      (await client.rerank.rerank({ requestBody: { model, query, documents, topN } })).results.map((hit) => [
        hit.index,
        hit.relevanceScore,
        hit.document.text,
      ]);
  },
  "@pinecone-database/pinecone"() {
    // docs @pinecone-database/pinecone
    const client = new Pinecone({ apiKey: given.key, controllerHostUrl: given.url });
    // end
    return async (model, topN) =>
      (await client.inference.rerank({ model, query, documents, topN })).data.map((hit) => [
        hit.index,
        hit.score,
        hit.document.text,
      ]);
  },
  "contextual-client"() {
    // docs contextual-client
    const client = new ContextualAI({ apiKey: given.key, baseURL: given.url, maxRetries: 0 });
    // end
    return async (model, top_n) =>
      (await client.rerank.create({ model, query, documents, top_n })).results.map((hit) => [
        hit.index,
        hit.relevance_score,
      ]);
  },
  "together-ai"() {
    // docs together-ai
    const client = new Together({ apiKey: given.key, baseURL: given.url, maxRetries: 0 });
    // end
    return async (model, top_n) =>
      (await client.rerank.create({ model, query, documents, top_n })).results.map((hit) => [
        hit.index,
        hit.relevance_score,
      ]);
  },
  zeroentropy() {
    // docs zeroentropy
    const client = new ZeroEntropy({ apiKey: given.key, baseURL: given.url, maxRetries: 0 });
    // end
    return async (model, top_n) =>
      (await client.models.rerank({ model, query, documents, top_n })).results.map((hit) => [
        hit.index,
        hit.relevance_score,
      ]);
  },
  "@langchain/cohere"() {
    // docs @langchain/cohere
    const client = new CohereClient({ token: given.key, environment: given.url });
    const ranker = (model, topN) => new CohereRerank({ client, model, topN });
    // end
    return async (model, topN = documents.length) =>
      (await ranker(model, topN).rerank(documents.map((pageContent) => new Document({ pageContent })), query)).map(
        (hit) => [hit.index, hit.relevanceScore],
      );
  },
};
const ask = makers[name]();
const rank = async (model = given.model, topN = undefined) =>
  (await ask(model, topN)).map(([index, score]) => [index, score]);
const answers = {
  scores: () => rank(),
  top_n: () => rank(given.model, given.top_n),
  refusal: () => refusal(() => rank(given.unknown)),
};
if (["@openrouter/sdk", "@pinecone-database/pinecone"].includes(name)) {
  answers.documents = () => ask(given.model);
}
if (name === "@pinecone-database/pinecone") {
  delete answers.refusal; // it has words of its own for a 404
}
await tell(name, answers);
