// What openapi-typescript-codegen makes of our description: the compiler knows every field.
import { ApiError, DefaultService, OpenAPI, type RerankResponse } from "./made";

declare function require(name: string): any;
const { readFileSync } = require("node:fs");

async function main(): Promise<void> {
  const given = JSON.parse(readFileSync(0, "utf8"));
  OpenAPI.BASE = given.url;
  OpenAPI.TOKEN = given.key;
  const found: RerankResponse = await DefaultService.postV1Rerank({ query: given.query, documents: given.documents });
  const models = await DefaultService.listModelsV1ModelsGet();
  const refusal = await DefaultService.postV1Rerank({ query: "q", documents: ["a"], model: given.unknown }).then(
    () => "none",
    (error: ApiError) => error.body.message as string,
  );
  console.log(
    JSON.stringify({
      results: found.results.map((hit) => hit.index),
      models: models.data.map((model) => model.id),
      type: "RerankResponse",
      refusal: refusal.match(/no model of that name/)?.[0] ?? refusal,
    }),
  );
}

main();
