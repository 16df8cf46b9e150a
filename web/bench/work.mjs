// One measurement, the same in Node and in a page: load, then a query over documents of some 120 words.
const WORDS =
  "the of and to in is was for on with as by at from that it an are be this which or had not but were one all they their has been when who more will would about out up time people".split(
    " ",
  );

/** Documents of so many words, the same in every run. */
export function documentsOf(count, words) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state;
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: words }, () => WORDS[next() % WORDS.length]).join(" "),
  );
}

/** library: the module; job: {model, dtype, device, threads, count, words, runs, template}. Seconds and pairs a second. */
export async function measure({ Reranker }, job) {
  const { model, dtype, device, threads, count = 20, words = 120, runs = 3 } = job;
  const seconds = () => performance.now() / 1000;
  const begin = seconds();
  const reranker = await Reranker.load(model, { dtype, device, threads });
  const load = seconds() - begin;
  const documents = documentsOf(count, words);
  const query = "which people had more time";
  const first = seconds();
  await reranker.rerank(query, documents.slice(0, 1));
  const firstScore = seconds() - first;
  const times = [];
  let tokens = 0;
  for (let run = 0; run < runs; run++) {
    const start = seconds();
    ({ tokens } = await reranker.rerank(query, documents));
    times.push(seconds() - start);
  }
  const { info } = reranker;
  await reranker.dispose();
  const best = Math.min(...times);
  return {
    dtype: info.dtype,
    device: info.device,
    threads: info.threads,
    head: info.head,
    sharesPrefix: info.sharesPrefix,
    megabytes: info.bytes / 1e6,
    loadSeconds: load,
    firstScoreSeconds: firstScore,
    tokensAPair: tokens / count,
    pairsASecond: count / best,
    seconds: times,
  };
}
