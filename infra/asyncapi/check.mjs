// Reads schemas/asyncapi.yaml with the AsyncAPI project's own parser; every problem that it finds is told, and an error
// ends with 1. `make asyncapi` installs the parser and calls this.
import { createRequire } from "node:module";
import path from "node:path";

const [modules, document] = process.argv.slice(2).map((argument) => path.resolve(argument));
const { Parser, fromFile } = createRequire(path.join(modules, "parser.cjs"))("@asyncapi/parser");

const { document: parsed, diagnostics } = await fromFile(new Parser(), document).parse();
const severities = ["error", "warning", "information", "hint"];
for (const { severity, message, path: at } of diagnostics) {
  console.log(`${severities[severity]}: ${at.join(".")}: ${message}`);
}
if (!parsed || diagnostics.some(({ severity }) => severity === 0)) process.exit(1);
const count = (what) => parsed[what]().all().length;
console.log(`valid: ${count("channels")} channels, ${count("operations")} operations, ${count("messages")} messages`);
