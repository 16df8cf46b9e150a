import { describe, expect, it } from "vitest";
import { Folder } from "../../src/rerank/folder.ts";
import { frame } from "../../src/rerank/prompt.ts";
import { plain } from "../../src/rerank/rendered.ts";
import type { ModelFiles } from "../../src/rerank/types.ts";

const TEXT =
  '<|im_start|>system\nSay "yes" or "no".<|im_end|>\n<|im_start|>user\n' +
  "Question: {query}\nTask: {instruction}\nPassage:  {document}<|im_end|>\n<|im_start|>assistant\n{answer}\n";
/** As yesrank.templates.own_template(TEXT).name has it. */
const NAME = "own-0d2dc98af33c";

function folderOf(text: string | undefined, name = NAME): ModelFiles {
  const manifest = { template: name, instruction: "Find.", answers: { yes: 7, no: 8 } };
  const files: Record<string, string | undefined> = {
    "config.json": JSON.stringify({ model_type: "qwen3" }),
    "yesrank.json": JSON.stringify(manifest),
    "template.txt": text,
  };
  const bytes = (path: string) => (files[path] === undefined ? null : new TextEncoder().encode(files[path]));
  return {
    name: "folder",
    read: async (path) => bytes(path),
    size: async (path) => bytes(path)?.byteLength ?? null,
  };
}

const template = async (text?: string, name?: string) =>
  (await Folder.open(folderOf(text, name), {})).template({});

describe("a template of the folder's own", () => {
  it.each([TEXT, `\ufeff${TEXT}`, TEXT.replaceAll("\n", "\r\n"), `${TEXT}\n \n`])(
    "is read: %#",
    async (text) => {
      const found = await template(text);
      expect(frame(found, "I {query}", "Q $&")).toEqual({
        prefix: '<|im_start|>system\nSay "yes" or "no".<|im_end|>\n<|im_start|>user\n',
        head: "Question: Q $&\nTask: I {query}\nPassage:",
        suffix: "<|im_end|>\n<|im_start|>assistant\n",
        lead: "  ",
      });
    },
  );

  it.each([
    undefined,
    "",
    TEXT.replace("Task", "Todo"),
    TEXT.replace("{answer}", ""),
    TEXT.replace("{query}", "{document}"),
  ])("must be the one that yesrank.json names: %#", async (text) => {
    await expect(template(text)).rejects.toThrow(/template\.txt/);
  });

  it("comes with instruction and answers", async () => {
    const folder = await Folder.open(folderOf(TEXT), {});
    expect([folder.instruction, folder.answers]).toEqual(["Find.", { yes: 7, no: 8 }]);
  });

  it("is known where query and documents are in it already", async () => {
    const own = await template(TEXT);
    const query = `${own.prefix}Question: who?\nTask: Find.\n`;
    const document = `Passage: {instruction} a man${own.suffix}`;
    expect(plain(query, [document], undefined, own)).toMatchObject({
      query: "who?",
      documents: ["{instruction} a man"],
      instruction: "Find.",
    });
    expect(() => plain(query, ["a man"], undefined, own)).toThrow(/documents\[0\]: .* no Passage: in front/);
    expect(() => plain(`${own.prefix}Question: who?`, [document], undefined, own)).toThrow(
      /does not hold to it/,
    );
    expect(() => plain(query, [document])).toThrow(/does not hold to it|not this model's/);
  });
});
