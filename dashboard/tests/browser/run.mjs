// Runs the browser tests and ends with a line that says how many passed: `node run.mjs [file …]`.
import { readdirSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const asked = process.argv.slice(2);
const files = (asked.length ? asked : readdirSync(here).filter((name) => name.endsWith(".test.mjs"))).map((name) => path.resolve(here, name));
const started = Date.now();
let passed = 0, failed = 0;
const stream = run({ files, concurrency: 1, timeout: 300_000 });
// A file is a test too, in which its own are nested or not by version: only leaves are counted.
const isFile = (event) => event.name === event.file || files.includes(path.resolve(event.name));
stream.on("test:pass", (event) => { if (!isFile(event)) passed += 1; });
stream.on("test:fail", (event) => { failed += 1; });
stream.compose(new spec()).pipe(process.stdout);
stream.on("end", () => {
  setImmediate(() => {
    console.log(`${passed} passed, ${failed} failed in ${((Date.now() - started) / 1000).toFixed(1)}s`);
    process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  });
});
