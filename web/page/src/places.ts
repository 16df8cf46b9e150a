/** Where it runs: server or browser, model, precision, device, and the controls for these. */

import type { Device, Dtype } from "../../src/rerank/index.ts";
import { button, choose, chosen, html, input, offer, radios, select } from "./elements.ts";
import { pickFolder } from "./folder.ts";
import type { Choice, Local } from "./local.ts";
import { Cancelled, KeyNeeded, Problem } from "./problem.ts";
import * as server from "./server.ts";
import { addressOf, folderSource, listedSources, type Source, servedSources } from "./sources.ts";
import { deviceNote, findGpu, type Gpu, precisions, usable } from "./variants.ts";

const FOLDER = "folder:";
const ADDRESS = "url:";

export type Target =
  | { readonly where: "server"; readonly model: string }
  | { readonly where: "browser"; readonly choice: Choice };

/** Keeps the controls in step with what there is. */
export class Places {
  #served: readonly server.ServedModel[] | null = null;
  #sources: Source[] = [];
  #folder: Source | null = null;
  #address: Source | null = null;
  #gpu: Gpu | null = null;
  readonly #local: Local;
  readonly #fail: (error: unknown) => void;

  constructor(local: Local, fail: (error: unknown) => void) {
    this.#local = local;
    this.#fail = fail;
    for (const radio of radios("mode")) radio.addEventListener("change", () => this.#draw());
    select("model").addEventListener("change", () => this.#drawModel());
    select("device").addEventListener("change", () => this.#drawPrecisions());
    button("folder-pick").addEventListener("click", () => void this.#pick());
    input("url").addEventListener("input", () => this.#forgetAddress());
  }

  get key(): string {
    return input("key").value.trim();
  }

  /** Asks what there is. Does not throw: what is missing is shown. */
  async find(): Promise<void> {
    // not waited for: the answer may take long where a driver is slow, and server mode does not need it
    void findGpu().then((gpu) => {
      this.#gpu = gpu;
      this.#drawModel();
    });
    await this.#ask().catch((error: unknown) => this.problem(error));
    const browser = this.#served === null || new URLSearchParams(location.search).get("mode") === "browser";
    choose("mode", browser ? "browser" : "server");
    this.#draw();
    this.#takeFromAddress();
  }

  /** What to run. Throws Problem. */
  async target(signal: AbortSignal): Promise<Target> {
    if (!html("key-control").hidden) await this.#ask();
    if (chosen("mode") === "server") return { where: "server", model: select("model").value };
    const source = select("model").value === ADDRESS ? await this.#typed(signal) : this.#source();
    if (!source) {
      button("folder-pick").focus();
      throw new Problem("No model folder is chosen.", "Choose one, or another model.");
    }
    const dtype = select("dtype").value as Dtype;
    if (!dtype)
      throw new Problem("This device can run none of the model's precisions.", "Choose the other device.");
    const device = select("device").value as Device;
    return { where: "browser", choice: { name: source.label, place: source.place, dtype, device } };
  }

  /** Shows a problem, and the field for the key where that is what is missing. */
  problem(error: unknown): void {
    if (error instanceof KeyNeeded) {
      html("key-control").hidden = false;
      input("key").focus();
    }
    this.#fail(error);
  }

  async #ask(): Promise<void> {
    try {
      this.#served = await server.models(this.key);
    } catch (error) {
      if (error instanceof KeyNeeded) this.#served ??= []; // it is a server, and says no more
      throw error;
    }
    const known = this.#served ? servedSources(this.#served, this.key) : await listedSources();
    // the same places as before, where they are: a loaded model is known by its place
    this.#sources = known.map((source) => this.#sources.find((old) => equal(old, source)) ?? source);
    html("served-links").hidden = this.#served === null;
    this.#draw();
  }

  /** ?model=ADDRESS in the page's own address: a link to this page with a model. */
  #takeFromAddress(): void {
    const model = new URLSearchParams(location.search).get("model");
    if (!model || this.#served !== null) return;
    input("url").value = model;
    select("model").value = ADDRESS;
    this.#drawModel();
  }

  #draw(): void {
    const browser = chosen("mode") === "browser";
    for (const radio of radios("mode")) {
      if (radio.value === "server") radio.disabled = this.#served === null;
    }
    for (const part of document.querySelectorAll<HTMLElement>("[data-mode=browser]")) part.hidden = !browser;
    html("privacy").textContent = browser
      ? "The model runs here. What you type does not leave this browser."
      : `Query and documents are sent to ${location.host}, and to nobody else.`;
    offer(select("model"), browser ? this.#browserModels() : this.#serverModels());
    this.#drawModel();
  }

  #serverModels() {
    if (this.#served?.length === 0) return [{ value: "", label: "known with the key" }];
    return (this.#served ?? []).map(({ id, engine }) => ({
      value: id,
      label: engine ? `${id} (${engine.precision}, ${engine.device})` : id,
    }));
  }

  #browserModels() {
    const known = this.#sources.map(({ id, label }) => ({ value: id, label }));
    const folder = { value: FOLDER, label: "A folder on this computer…" };
    const address = { value: ADDRESS, label: "An address on the web…" };
    return [...known, folder, ...(this.#served === null ? [address] : [])]; // a server's policy allows no other host
  }

  #drawModel(): void {
    const browser = chosen("mode") === "browser";
    const model = select("model").value;
    html("folder-control").hidden = !browser || model !== FOLDER;
    html("url-control").hidden = !browser || model !== ADDRESS;
    const note = browser && this.#gpu ? deviceNote(this.#gpu) : "";
    html("device-note").hidden = note === "";
    html("device-note").textContent = note;
    for (const option of select("device").options) {
      if (option.value === "webgpu") option.disabled = !usable(this.#gpu);
    }
    this.#drawPrecisions();
  }

  #drawPrecisions(): void {
    const sizes = this.#source()?.sizes ?? new Map<Dtype, number>();
    const found = precisions(sizes, select("device").value as Device, this.#gpu?.half ?? false);
    offer(select("dtype"), found.length ? found : [{ value: "", label: "none yet" }]);
    select("dtype").disabled = found.length === 0;
  }

  #source(): Source | null {
    const model = select("model").value;
    if (model === FOLDER) return this.#folder;
    if (model === ADDRESS) return this.#address;
    return this.#sources.find(({ id }) => id === model) ?? null;
  }

  async #pick(): Promise<void> {
    try {
      const picked = await pickFolder();
      if (!picked) return;
      this.#folder = folderSource(picked.name, picked.files);
      html("folder-name").textContent = `${this.#folder.label}. Its files are read here, not uploaded.`;
      this.#drawPrecisions();
    } catch (error) {
      this.#folder = null;
      this.#drawPrecisions();
      this.#fail(error);
    }
  }

  /** The model at the typed address; its variants are asked for once. */
  async #typed(signal: AbortSignal): Promise<Source> {
    const typed = input("url").value.trim();
    if (!typed) {
      input("url").focus();
      throw new Problem(
        "There is no address.",
        "Type that of a model folder, such as https://huggingface.co/OWNER/NAME.",
      );
    }
    if (this.#address) return this.#address;
    const url = addressOf(typed, document.baseURI);
    const place = { kind: "url", url, key: "" } as const;
    const found = await this.#local.variants(place, signal);
    if (signal.aborted) throw new Cancelled();
    if (found.length === 0)
      throw new Problem(
        `${url} has no ONNX files that can be run here.`,
        "It needs files such as onnx/model_quantized.onnx.",
      );
    this.#address = { id: ADDRESS, label: typed, place, sizes: new Map(found.map((dtype) => [dtype, 0])) };
    this.#drawPrecisions();
    return this.#address;
  }

  #forgetAddress(): void {
    this.#address = null;
    this.#drawPrecisions();
  }
}

function equal(a: Source, b: Source): boolean {
  return JSON.stringify([a.id, a.place, [...a.sizes]]) === JSON.stringify([b.id, b.place, [...b.sizes]]);
}
