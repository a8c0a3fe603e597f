// Bundles the player into dist/, each file with a gzip copy beside it, for cargo to embed.
// With --tests it bundles the tests for node's test runner instead.

import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

// Beside the dependencies, not in dist: tests are not for cargo to embed.
const TESTS = "node_modules/.tests";

// The oldest browsers with the Media Source Extensions that hls.js wants: phones are not replaced every year.
const target = ["chrome80", "firefox78", "safari14.1"];

if (process.argv.includes("--tests")) {
  const tests = (await readdir("src")).filter((name) => name.endsWith(".test.ts"));
  await rm(TESTS, { recursive: true, force: true });
  await build({
    entryPoints: tests.map((name) => `src/${name}`),
    bundle: true,
    platform: "node",
    format: "esm",
    outdir: TESTS,
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  });
} else {
  const hls = JSON.parse(await readFile("node_modules/hls.js/package.json", "utf8"));
  await build({
    entryPoints: ["src/home.ts", "src/watch.ts", "src/style.css"],
    bundle: true,
    minify: true,
    format: "iife",
    target,
    outdir: "dist",
    logLevel: "warning",
  });
  const licence = await readFile("node_modules/hls.js/LICENSE", "utf8");
  await writeFile(
    "dist/licences.txt",
    `Meshstream is free software under the GNU Affero General Public License, version 3 or later.\n` +
      `Ask whoever runs this node for its source.\n\n` +
      `Its player contains hls.js ${hls.version} (https://github.com/video-dev/hls.js), under this licence:\n\n${licence}`,
  );
  for (const name of ["home.js", "watch.js", "style.css", "licences.txt"]) {
    await writeFile(`dist/${name}.gz`, gzipSync(await readFile(`dist/${name}`), { level: 9 }));
  }
}
