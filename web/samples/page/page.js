// The page: talks to the worker, and never waits for it.
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const form = document.querySelector("form");
const state = document.querySelector("output");
const list = document.querySelector("ol");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const documents = form.elements.documents.value.split("\n").filter((line) => line.trim());
  worker.postMessage({ query: form.elements.query.value, documents });
});

worker.addEventListener("message", ({ data }) => {
  state.textContent = data.state ?? "";
  if (!data.ranking) return;
  list.replaceChildren(
    ...data.ranking.map(({ score, document: text }) => {
      const line = document.createElement("li");
      line.textContent = `${score.toFixed(3)}  ${text}`;
      return line;
    }),
  );
});
