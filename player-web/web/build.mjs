// Bundles the player into dist/, each file with a gzip copy beside it, for cargo to embed.
// With --tests it bundles the tests for node's test runner instead.

import { createHash } from "node:crypto";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

// Beside the dependencies, not in dist: tests are not for cargo to embed.
const TESTS = "node_modules/.tests";

// The oldest browsers with the Media Source Extensions that hls.js wants: phones are not replaced every year.
const target = ["chrome80", "firefox78", "safari14.1"];

const sources = (await readdir("src")).filter((name) => name.endsWith(".ts"));

/** Of a catalogue, the messages whose keys stand in a script. */
function shownByScripts(catalogue, scripts) {
  const messages = catalogue.replace(/^#.*\n/gm, "").split(/\n(?=[a-z-])/);
  const key = (message) => message.trimStart().split(/[ =]/, 1)[0];
  const shown = messages.filter((message) => key(message).startsWith("-") || scripts.includes(`"${key(message)}"`));
  return shown.map((message) => `${message.trim()}\n`).join("");
}

/** Writes the catalogues for scripts, and returns the address of each by its language. */
async function writeTexts() {
  const scripts = (await Promise.all(sources.map((name) => readFile(`src/${name}`, "utf8")))).join("\n");
  const addresses = {};
  for (const name of (await readdir("../texts")).filter((name) => name.endsWith(".ftl")).sort()) {
    const text = shownByScripts(await readFile(`../texts/${name}`, "utf8"), scripts);
    const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
    const language = name.slice(0, -".ftl".length);
    addresses[language] = `/assets/texts-${language}-${hash}.ftl`;
    await writeFile(`dist/texts-${name}`, text);
    await writeFile(`dist/texts-${name}.gz`, gzipSync(text, { level: 9 }));
  }
  return addresses;
}

if (process.argv.includes("--tests")) {
  const tests = sources.filter((name) => name.endsWith(".test.ts"));
  await rm(TESTS, { recursive: true, force: true });
  await build({
    entryPoints: tests.map((name) => `src/${name}`),
    bundle: true,
    platform: "node",
    format: "esm",
    define: { TEXTS_ADDRESSES: "{}" },
    outdir: TESTS,
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  });
} else {
  const version = async (name) => JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8")).version;
  await build({
    entryPoints: ["src/page.ts", "src/watch.ts", "src/style.css"],
    bundle: true,
    minify: true,
    format: "iife",
    target,
    define: { TEXTS_ADDRESSES: JSON.stringify(await writeTexts()) },
    outdir: "dist",
    logLevel: "warning",
  });
  const licence = await readFile("node_modules/hls.js/LICENSE", "utf8");
  await writeFile(
    "dist/licences.txt",
    `Meshstream is free software under the GNU Affero General Public License, version 3 or later.\n` +
      `Ask whoever runs this node for its source.\n\n` +
      `Its pages contain @fluent/bundle ${await version("@fluent/bundle")} (https://projectfluent.org), by Mozilla, ` +
      `under the Apache License, version 2.0 (http://www.apache.org/licenses/LICENSE-2.0).\n\n` +
      `Its player contains hls.js ${await version("hls.js")} (https://github.com/video-dev/hls.js), under this licence:\n\n${licence}`,
  );
  for (const name of ["page.js", "watch.js", "style.css", "licences.txt"]) {
    await writeFile(`dist/${name}.gz`, gzipSync(await readFile(`dist/${name}`), { level: 9 }));
  }
}
