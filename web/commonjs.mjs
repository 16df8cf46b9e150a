/** Says that dist/commonjs is CommonJS, as the package itself is not. */
import { writeFileSync } from "node:fs";

writeFileSync(new URL("dist/commonjs/package.json", import.meta.url), '{ "type": "commonjs" }\n');
