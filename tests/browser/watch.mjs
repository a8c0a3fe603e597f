// Opens a page in a headless browser and reports, one JSON object a line, what its video does.
//
//   node watch.mjs URL [--browser chromium|firefox|webkit] [--every SECONDS] [--width PX] [--height PX]
//                      [--dark] [--language TAG] [--no-websocket] [--media-source managed|none]
//
// On standard output: {"event":"open"} once the page is there, then {"event":"state",…} at the interval and for each
// `state` line; {"event":"reply","to":COMMAND,…} for each command, with "error" where it failed;
// {"event":"error","message"} for what the page throws or its policy refuses; {"event":"closed"} at the end. On
// standard input, one command a line; commands.mjs lists them. The end of standard input ends it, and the browser.
//
// CHROMIUM, FIREFOX and MINIBROWSER name the programs, Debian's by default.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { answer } from "./commands.mjs";
import { launch } from "./launch.mjs";
import { Session } from "./session.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    browser: { type: "string", default: "chromium" },
    every: { type: "string", default: "1" },
    width: { type: "string", default: "1280" },
    height: { type: "string", default: "800" },
    dark: { type: "boolean", default: false },
    language: { type: "string" },
    "no-websocket": { type: "boolean", default: false },
    "media-source": { type: "string" },
  },
});
const [url] = positionals;
if (!url) {
  console.error("usage: node watch.mjs URL [--browser chromium|firefox|webkit] [OPTION…]; the file's head lists them");
  process.exit(2);
}

// What is still under way gets so long once the other side has left; a page may never answer.
const LAST_WORDS_MS = 3000;

const print = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

const browser = await launch(options);
let timer;
try {
  const session = await Session.open(browser, { print, ...options });
  await session.goto(url);
  print({ event: "open", url: session.page.url() });
  // One thing at a time, in order: a look at the page never overtakes a command.
  let last = Promise.resolve();
  const queue = (line) => {
    last = last.then(() => answer(session, line)).then(print, (error) => {
      const [to] = line.trim().split(" ");
      print({ event: to === "state" ? "error" : "reply", to, error: error.message, message: `driver: ${error.message}` });
    });
  };
  timer = setInterval(() => queue("state"), Number(options.every) * 1000);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "quit") break;
    if (line.trim()) queue(line);
  }
  clearInterval(timer);
  await Promise.race([last, new Promise((done) => setTimeout(done, LAST_WORDS_MS))]);
} catch (error) {
  print({ event: "error", message: `driver: ${error.message}` });
  process.exitCode = 1;
} finally {
  clearInterval(timer);
  await Promise.race([browser.close(), new Promise((done) => setTimeout(done, LAST_WORDS_MS))]);
  browser.process()?.kill("SIGKILL");
  print({ event: "closed" });
  process.exit();
}
