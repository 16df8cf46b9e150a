// Runs jobs {model, load, query, documents, options} with the library in Node; prints what each gave.
import { readFileSync } from "node:fs";
import * as library from "../../../web/dist/node.js";
import { perform } from "../pages/jobs.mjs";

const jobs = JSON.parse(readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify(await perform(library, jobs)));
