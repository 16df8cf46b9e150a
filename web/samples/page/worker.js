// The worker: loads the model once, and ranks what the page sends.
import { Reranker } from "yesrank";

// A folder of this site: `yesrank convert CHECKPOINT FOLDER --format onnx` makes one. "hf:owner/name" asks the hub.
const MODEL = "/models/judge";

const percent = ({ loaded, total }) => (total ? `${Math.round((100 * loaded) / total)} %` : "");
const loading = Reranker.load(MODEL, {
  progress: (progress) => postMessage({ state: `loading ${percent(progress)}` }),
});
loading.then(
  () => postMessage({ state: "ready" }),
  (error) => postMessage({ state: told(error) }),
);

addEventListener("message", async ({ data: { query, documents } }) => {
  try {
    const reranker = await loading;
    const onProgress = (done, count) => postMessage({ state: `${done} of ${count}` });
    postMessage({ ranking: await reranker.rerank(query, documents, { onProgress }) });
  } catch (error) {
    postMessage({ state: told(error) });
  }
});

function told(error) {
  return error.hint ? `${error.message} (${error.hint})` : error.message;
}
