/** A folder of this computer, by the browser's own dialog. Its files are read when they are needed. */

import { input } from "./elements.ts";

export interface Picked {
  readonly name: string;
  /** By path inside the folder. */
  readonly files: ReadonlyMap<string, File>;
}

interface Directory {
  readonly kind: "directory";
  readonly name: string;
  values(): AsyncIterable<Directory | FileSystemFileHandle>;
}

const DEEPEST = 3; // onnx/ of a model in a folder

/** null: the person closed the dialog. */
export async function pickFolder(): Promise<Picked | null> {
  const picker = (window as { showDirectoryPicker?: () => Promise<Directory> }).showDirectoryPicker;
  if (!picker) return fromInput();
  try {
    const directory = await picker();
    return { name: directory.name || "the folder", files: new Map(await list(directory, "", 1)) };
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    throw error;
  }
}

async function list(directory: Directory, prefix: string, depth: number): Promise<[string, File][]> {
  const found: [string, File][] = [];
  for await (const entry of directory.values()) {
    const path = `${prefix}${entry.name}`;
    if (entry.kind === "file") found.push([path, await entry.getFile()]);
    else if (depth < DEEPEST) found.push(...(await list(entry, `${path}/`, depth + 1)));
  }
  return found;
}

/** Browsers without the directory picker have a file field that takes a folder. */
function fromInput(): Promise<Picked | null> {
  const field = input("folder");
  return new Promise((resolve) => {
    field.onchange = () => {
      const files = [...(field.files ?? [])];
      const name = files[0]?.webkitRelativePath.split("/")[0] ?? "the folder";
      const paths = files.map((file): [string, File] => [
        file.webkitRelativePath.slice(name.length + 1),
        file,
      ]);
      resolve({ name, files: new Map(paths) });
      field.value = "";
    };
    field.oncancel = () => resolve(null);
    field.click();
  });
}
