// Opens a page in a headless Chromium and reports, one JSON object a line, what its video does.
//
//   node watch.mjs URL [--every SECONDS] [--width PX] [--height PX] [--dark] [--no-websocket]
//
// On standard output: {"event":"open"} once the page is there, then {"event":"state",…} at the interval and for each
// `state` line; {"event":"reply","to":COMMAND,…} for each command; {"event":"error","message"} for what the page
// throws; {"event":"closed"} at the end. On standard input, one command a line:
//
//   state                                the state now
//   screenshot FILE [WIDTH HEIGHT]       the page as PNG
//   play                                 as a viewer who presses play
//   eval EXPRESSION                      its value, which must be JSON
//   drop-websockets                      closes the page's WebSockets; it finds none from then on
//   offline | online                     cuts the page off from the network, or not
//   goto URL                             opens another page in the same tab
//   quit                                 ends; so does the end of standard input
//
// CHROMIUM names the browser, /usr/bin/chromium by default.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    every: { type: "string", default: "1" },
    width: { type: "string", default: "1280" },
    height: { type: "string", default: "800" },
    dark: { type: "boolean", default: false },
    "no-websocket": { type: "boolean", default: false },
  },
});
const [url] = positionals;
if (!url) {
  console.error("usage: node watch.mjs URL [--every SECONDS] [--width PX] [--height PX] [--dark] [--no-websocket]");
  process.exit(2);
}

const print = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

const profile = await mkdtemp(join(tmpdir(), "meshstream-browser-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  headless: true,
  viewport: { width: Number(options.width), height: Number(options.height) },
  colorScheme: options.dark ? "dark" : "light",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
  ],
});

// Counted in the page, so that nothing between two looks is lost. A page loaded again starts from zero, which
// `loads` shows.
await context.addInitScript((noWebSocket) => {
  const seen = { waiting: 0, seeking: 0, videoErrors: 0, pushes: 0 };
  Object.defineProperty(window, "__seen", { value: seen });
  for (const [event, key] of [["waiting", "waiting"], ["seeking", "seeking"], ["error", "videoErrors"]]) {
    document.addEventListener(event, (e) => { if (e.target instanceof HTMLVideoElement) seen[key] += 1; }, true);
  }
  const Native = window.WebSocket;
  const sockets = [];
  window.WebSocket = class extends Native {
    constructor(address) {
      super(noWebSocket ? address.replace(/\/ws$/, "/no-websocket") : address);
      sockets.push(this);
      this.addEventListener("message", () => { seen.pushes += 1; });
    }
  };
  const dropWebSockets = () => {
    noWebSocket = true;
    for (const socket of sockets) socket.close();
  };
  Object.defineProperty(window, "__dropWebSockets", { value: dropWebSockets });
}, options["no-websocket"]);

const page = context.pages()[0] ?? (await context.newPage());
let loads = 0;
const errors = [];
const note = (message) => {
  errors.push(message);
  if (errors.length > 50) errors.shift();
  print({ event: "error", message });
};
page.on("domcontentloaded", () => { loads += 1; });
page.on("pageerror", (error) => note(`page: ${error.message}`));
page.on("console", (message) => {
  if (message.type() === "error") note(`console: ${message.text()}`);
});

async function state() {
  const found = await page.evaluate(() => {
    const video = document.querySelector("video");
    const { buffered } = video ?? {};
    const playlists = performance.getEntriesByType("resource").filter(({ name }) => name.includes(".m3u8"));
    return {
      video: video && {
        currentTime: video.currentTime,
        paused: video.paused,
        ended: video.ended,
        muted: video.muted,
        readyState: video.readyState,
        bufferedEnd: buffered.length > 0 ? buffered.end(buffered.length - 1) : null,
        width: video.videoWidth,
        height: video.videoHeight,
        error: video.error && video.error.message,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
        droppedFrames: video.getVideoPlaybackQuality().droppedVideoFrames,
      },
      state: document.getElementById("player")?.dataset.playerState ?? null,
      playlist: playlists.at(-1)?.name.replace(/.*\/|\?.*/g, "") ?? null,
      soundOffered: document.getElementById("sound")?.hidden === false,
      caption: document.getElementById("caption")?.textContent ?? null,
      title: document.querySelector("h1")?.textContent ?? document.title,
      live: Array.from(document.querySelectorAll("#live > li"), (card) => card.querySelector("a")?.textContent),
      ...window.__seen,
    };
  });
  return { ...found, loads, errors: errors.length };
}

async function answer(line) {
  const [command, ...words] = line.trim().split(" ");
  const rest = line.trim().slice(command.length).trim();
  switch (command) {
    case "":
      return;
    case "state":
      return print({ event: "state", ...(await state()) });
    case "screenshot": {
      const [path, width, height] = words;
      if (width && height) await page.setViewportSize({ width: Number(width), height: Number(height) });
      await page.screenshot({ path });
      return print({ event: "reply", to: command, path });
    }
    case "eval":
      return print({ event: "reply", to: command, value: (await page.evaluate(rest)) ?? null });
    case "play":
      // Broken off where the page then plays something else.
      await page.evaluate(() => document.querySelector("video").play().catch(() => undefined));
      return print({ event: "reply", to: command });
    case "drop-websockets":
      await page.evaluate(() => window.__dropWebSockets());
      return print({ event: "reply", to: command });
    case "offline":
    case "online":
      await context.setOffline(command === "offline");
      return print({ event: "reply", to: command });
    case "goto":
      await page.goto(rest, { waitUntil: "domcontentloaded" });
      return print({ event: "reply", to: command, url: page.url() });
    default:
      return print({ event: "reply", to: command, error: "unknown command" });
  }
}

let timer;
try {
  await page.goto(url, { waitUntil: "domcontentloaded" });
  print({ event: "open", url: page.url() });
  // One thing at a time, in order: a look at the page never overtakes a command.
  let last = Promise.resolve();
  const queue = (work) => {
    last = last.then(work).catch((error) => print({ event: "error", message: `driver: ${error.message}` }));
  };
  timer = setInterval(() => queue(() => answer("state")), Number(options.every) * 1000);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "quit") break;
    queue(() => answer(line));
  }
  clearInterval(timer);
  await last;
} catch (error) {
  print({ event: "error", message: `driver: ${error.message}` });
  process.exitCode = 1;
} finally {
  clearInterval(timer);
  await context.close();
  await rm(profile, { recursive: true, force: true });
  print({ event: "closed" });
}
