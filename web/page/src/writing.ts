/** The left side: query, instruction, and documents that are typed or come from a file. */

import { DEFAULT_INSTRUCTION } from "../../src/rerank/prompt.ts";
import { type Rule, split } from "./documents.ts";
import { area, button, chosen, html, input, make, offer, radios, select } from "./elements.ts";
import { type DocumentFile, readFile } from "./files.ts";
import { counted, whole } from "./numbers.ts";
import type { Request } from "./outcome.ts";
import { explain, Problem } from "./problem.ts";
import type { Part, Passage } from "./reading/passages.ts";

const PREVIEW = 3;
const EXAMPLE = {
  query: "What is the capital of France?",
  documents: [
    "Berlin is the capital of Germany.",
    "Paris is the capital and largest city of France.",
    "France is a country in Western Europe.",
  ],
};

/** Reads and changes what a person writes. */
export class Writing {
  #file: DocumentFile | null = null;
  #fromFile: readonly Passage[] = [];
  readonly #fail: (error: unknown) => void;

  /** fail: told what was wrong with a file. */
  constructor(fail: (error: unknown) => void) {
    this.#fail = fail;
    area("instruction").placeholder = DEFAULT_INSTRUCTION;
    area("instruction").addEventListener("input", () => this.#showInstruction());
    area("documents").addEventListener("input", () => this.#count());
    for (const radio of radios("rule")) radio.addEventListener("change", () => this.#count());
    select("file-field").addEventListener("change", () => this.#takeField());
    input("file-header").addEventListener("change", () => this.#takeHeader());
    button("file-remove").addEventListener("click", () => this.#remove());
    button("example").addEventListener("click", () => this.#example());
    input("file").addEventListener("change", () => void this.#choose());
    this.#listenForDrops();
    this.#showInstruction();
    this.#count();
  }

  /** What to rank. Throws Problem where something is missing, after putting the focus there. */
  request(): Request {
    const query = input("query").value.trim();
    const documents = this.#documents();
    if (!query) {
      input("query").focus();
      throw new Problem("There is no query.", "Type what you are looking for.");
    }
    if (documents.length === 0) {
      (this.#file ? select("file-field") : area("documents")).focus();
      throw new Problem("There are no documents.", "Type or paste some, choose a file, or press Example.");
    }
    const ids = this.#fromFile.some(({ id }) => id !== null) ? this.#fromFile.map(({ id }) => id) : undefined;
    return { query, instruction: area("instruction").value.trim(), documents, ids };
  }

  #documents(): readonly string[] {
    return this.#file
      ? this.#fromFile.map(({ text }) => text)
      : split(area("documents").value, chosen("rule") as Rule);
  }

  #count(): void {
    html("count").textContent = counted(this.#documents().length, "document");
  }

  #showInstruction(): void {
    html("instruction-state").textContent = area("instruction").value.trim() ? "your own" : "default";
  }

  #example(): void {
    this.#remove();
    input("query").value = EXAMPLE.query;
    area("documents").value = EXAMPLE.documents.join("\n");
    const line = radios("rule").find((radio) => radio.value === "line");
    if (line) line.checked = true;
    this.#count();
    button("rank").focus();
  }

  async #choose(): Promise<void> {
    const file = input("file").files?.[0];
    if (file) await this.#read(file);
    input("file").value = ""; // so that the same file can be chosen again
  }

  async #read(file: File): Promise<void> {
    try {
      this.#show(await readFile(file));
    } catch (error) {
      this.#fail(error);
    }
  }

  #show(file: DocumentFile): void {
    this.#file = file;
    html("typed").hidden = true;
    html("filed").hidden = false;
    html("file-name").textContent = file.name;
    const text = file.kind === "text";
    html("file-field-label").textContent = text
      ? "One document is each"
      : file.kind === "csv"
        ? "Column"
        : "Field";
    offer(select("file-field"), file.choices);
    select("file-field").value = file.likely;
    html("file-header-label").hidden = file.kind !== "csv";
    input("file-header").checked = file.header;
    this.#takeField();
  }

  #takeField(): void {
    if (!this.#file) return;
    const { passages, what, notes } = this.#readAs(this.#file);
    this.#fromFile = passages;
    html("file-preview").replaceChildren(
      ...passages.slice(0, PREVIEW).map(({ text }) => {
        const row = make("li");
        row.append(make("span", "excerpt", text.slice(0, 500)));
        return row;
      }),
    );
    const more = passages.length > PREVIEW ? `and ${whole(passages.length - PREVIEW)} more` : "";
    html("file-note").textContent = [more, what, ...notes].filter(Boolean).join("; ");
    this.#count();
  }

  /** The documents of the choice; none, with the reason, where it does not hold for all of the file. */
  #readAs(file: DocumentFile): Part {
    try {
      return file.documents(select("file-field").value);
    } catch (error) {
      const { message, next = "" } = explain(error);
      return { passages: [], what: "", notes: [`${message} ${next}`] };
    }
  }

  #takeHeader(): void {
    if (this.#file) this.#show(this.#file.withHeader(input("file-header").checked));
  }

  #remove(): void {
    if (!this.#file) return;
    this.#file = null;
    this.#fromFile = [];
    html("typed").hidden = false;
    html("filed").hidden = true;
    this.#count();
    area("documents").focus();
  }

  #listenForDrops(): void {
    const field = html("documents-field");
    // a file that misses the field must not replace the page
    for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
    field.addEventListener("dragover", () => field.classList.add("over"));
    for (const name of ["dragleave", "drop"])
      field.addEventListener(name, () => field.classList.remove("over"));
    field.addEventListener("drop", (event) => {
      const file = event.dataTransfer?.files[0];
      const text = event.dataTransfer?.getData("text/plain");
      if (file) void this.#read(file);
      else if (text && !this.#file) {
        const typed = area("documents");
        typed.value = [typed.value.trimEnd(), text].filter(Boolean).join("\n");
        this.#count();
      }
    });
  }
}
