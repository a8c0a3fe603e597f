// Bundles the player into dist/, each file with a gzip copy beside it, for cargo to embed.
// With --tests it bundles the tests for node's test runner instead.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

// Beside the dependencies, not in dist: tests are not for cargo to embed.
const TESTS = "node_modules/.tests";

// hls.js is bundled from its source, with what broadcasts may have (captions, alternate sound) and without what they never
// have (encryption, advertisements, statistics): docs/decisions/0009-web-player.md.
const hls = (file) => fileURLToPath(new URL(`node_modules/hls.js/src/${file}`, import.meta.url));
const alias = { "hls.js": hls("exports-named.ts"), "hls.js/m3u8-parser": hls("loader/m3u8-parser.ts") };
const define = {
  __VERSION__: JSON.stringify(JSON.parse(await readFile("node_modules/hls.js/package.json", "utf8")).version),
  __USE_SUBTITLES__: "true",
  __USE_ALT_AUDIO__: "true",
  __USE_EME_DRM__: "false",
  __USE_CMCD__: "false",
  __USE_CONTENT_STEERING__: "false",
  __USE_VARIABLE_SUBSTITUTION__: "false",
  __USE_M2TS_ADVANCED_CODECS__: "false",
  __USE_MEDIA_CAPABILITIES__: "false",
  __USE_INTERSTITIALS__: "false",
  __USE_IFRAMES__: "false",
  __HLS_WORKER_BUNDLE__: "undefined",
  __IN_WORKER__: "false",
};

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
  await mkdir("dist", { recursive: true });
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
    alias,
    define: { ...define, TEXTS_ADDRESSES: "{}" },
    outdir: TESTS,
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  });
} else {
  const version = async (name) => JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8")).version;
  await build({
    entryPoints: {
      page: "src/page.ts",
      watch: "src/watch.ts",
      mesh: "src/mesh.ts",
      player: "src/component.ts",
      style: "src/style.css",
      "player-style": "src/player.css",
    },
    bundle: true,
    minify: true,
    format: "iife",
    target,
    alias,
    define: { ...define, TEXTS_ADDRESSES: JSON.stringify(await writeTexts()) },
    outdir: "dist",
    logLevel: "warning",
  });
  const licence = await readFile("node_modules/hls.js/LICENSE", "utf8");
  const mit = await readFile("node_modules/eventemitter3/LICENSE", "utf8");
  await writeFile(
    "dist/licences.txt",
    `Meshstream is free software under the GNU Affero General Public License, version 3 or later.\n` +
      `Ask whoever runs this node for its source.\n\n` +
      `Its pages contain @fluent/bundle ${await version("@fluent/bundle")} (https://projectfluent.org), by Mozilla, ` +
      `under the Apache License, version 2.0 (http://www.apache.org/licenses/LICENSE-2.0).\n\n` +
      `Its player contains hls.js ${await version("hls.js")} (https://github.com/video-dev/hls.js), under this licence:\n\n${licence}\n` +
      `hls.js contains url-toolkit and @svta/cml-id3, cml-utils and cml-cmcd, under the Apache License, version 2.0, ` +
      `and eventemitter3, under this one:\n\n${mit}`,
  );
  for (const name of ["page.js", "watch.js", "mesh.js", "player.js", "style.css", "player-style.css", "licences.txt"]) {
    await writeFile(`dist/${name}.gz`, gzipSync(await readFile(`dist/${name}`), { level: 9 }));
  }
}
