// What the tests ask of the library, the same in Node and in a page.

/** library: the module. jobs: [{model, load, query, documents, options}]. A failure is told, not thrown. */
export async function perform(library, jobs) {
  const told = [];
  for (const job of jobs) told.push(await one(library, job).catch(described));
  return told;
}

async function one({ Reranker }, { model, load, query, documents, options }) {
  const progress = [];
  const reranker = await Reranker.load(model, { ...load, progress: (event) => progress.push(event) });
  const ranking = await reranker.rerank(query, documents, options);
  const { info } = reranker;
  await reranker.dispose();
  return { ranking, tokens: ranking.tokens, info, progress: progress.at(-1) };
}

function described(error) {
  const { name, message, hint, field } = error;
  return { error: name, message, hint, field };
}
