/** Models that this browser can run: where their files are and which variants they have. */

import type { Dtype } from "../../src/rerank/index.ts";
import type { Place } from "./messages.ts";
import { Problem } from "./problem.ts";
import { at, type ServedModel } from "./server.ts";
import { variantsOf } from "./variants.ts";

export interface Source {
  readonly id: string;
  readonly label: string;
  readonly place: Place;
  /** Bytes by variant; 0 where the size is not known. */
  readonly sizes: ReadonlyMap<Dtype, number>;
}

/** Served models that have ONNX files. */
export function servedSources(models: readonly ServedModel[], key: string): Source[] {
  return models.flatMap(({ id, onnx }) => {
    if (!onnx) return [];
    // onnx.path begins with what a proxy adds, if the server was told: relative to the page it is right in any case
    const place: Place = { kind: "url", url: at(`models/${id}/resolve/main/`).href, key };
    return [{ id, label: id, place, sizes: new Map(Object.entries(onnx.variants)) as Map<Dtype, number> }];
  });
}

interface Listed {
  readonly id?: unknown;
  readonly path?: unknown;
  readonly variants?: unknown;
}

/** Models that models.json beside the page names, for static hosts: [{"id", "path", "variants": {"q8": bytes}}]. */
export async function listedSources(): Promise<Source[]> {
  const response = await fetch(at("models.json")).catch(() => null);
  const found: unknown = response?.ok ? await response.json().catch(() => null) : null;
  if (!Array.isArray(found)) return [];
  return (found as Listed[]).flatMap(({ id, path, variants }) => {
    if (typeof id !== "string" || typeof path !== "string" || typeof variants !== "object" || !variants)
      return [];
    const url = new URL(path.endsWith("/") ? path : `${path}/`, document.baseURI).href;
    return [
      {
        id,
        label: id,
        place: { kind: "url", url, key: "" },
        sizes: new Map(Object.entries(variants)) as Map<Dtype, number>,
      },
    ];
  });
}

/** A folder picked from disk. The model may also lie one folder further in. Throws Problem. */
export function folderSource(name: string, files: ReadonlyMap<string, File>): Source {
  const config = [...files.keys()]
    .filter((path) => /^([^/]+\/)?config\.json$/.test(path))
    .sort((a, b) => a.length - b.length)[0];
  if (config === undefined) {
    throw new Problem(
      `${name} has no config.json.`,
      "Choose the folder of a model: it holds config.json, tokenizer.json and onnx/.",
    );
  }
  const prefix = config.slice(0, -"config.json".length);
  const inside = new Map(
    [...files]
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, file]) => [path.slice(prefix.length), file]),
  );
  const sizes = variantsOf([...inside].map(([path, file]) => [path, file.size]));
  if (sizes.size === 0) {
    throw new Problem(
      `${name} has no ONNX files that can be run here.`,
      "Make them with: yesrank convert CHECKPOINT FOLDER --format onnx",
    );
  }
  return { id: `folder ${name}`, label: name, place: { kind: "files", name, files: inside }, sizes };
}

/** The folder's address for what a person typed: the page of a model on a hub leads to its files. Throws Problem. */
export function addressOf(typed: string, base: string): string {
  let url: URL;
  try {
    url = new URL(typed.trim(), base);
  } catch (cause) {
    throw new Problem(`${typed} is not an address.`, "It looks like https://huggingface.co/OWNER/NAME.", {
      cause,
    });
  }
  if (url.hostname === "huggingface.co" && /^\/[^/]+\/[^/]+\/?$/.test(url.pathname)) {
    url.pathname = `${url.pathname.replace(/\/$/, "")}/resolve/main/`;
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url.href;
}
