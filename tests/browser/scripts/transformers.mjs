// Judges documents with Transformers.js alone, as a page for any decoder would. $PLACE$ marks are filled in by tests.
import { AutoModelForCausalLM, AutoTokenizer } from "@huggingface/transformers";

const [place, dtype, device] = ["$MODEL$", "$DTYPE$", "$DEVICE$"];
const prompts = $PROMPTS$;

const tokenizer = await AutoTokenizer.from_pretrained(place);
const model = await AutoModelForCausalLM.from_pretrained(place, { dtype, device });
const [yes, no] = ["yes", "no"].map((word) => tokenizer.encode(word, { add_special_tokens: false })[0]);
const told = [];
for (const prompt of prompts) {
  const inputs = tokenizer(prompt, { add_special_tokens: false });
  const { logits } = await model(inputs);
  const row = logits.dims.at(-1) === 2 ? logits : logits.slice(null, -1, null);
  const [a, b] = logits.dims.at(-1) === 2 ? [1, 0] : [yes, no];
  told.push({ ids: Array.from(inputs.input_ids.data, Number), logit: Number(row.data[a]) - Number(row.data[b]) });
}
await model.dispose();
console.log(told);
