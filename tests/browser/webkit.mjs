// Debian's WebKitGTK: its MiniBrowser on a display of its own (Xvfb), through WebKitWebDriver, which speaks WebDriver
// Classic alone. A page of it has as much of Puppeteer's page as the driver uses for playing: it hears of no console. What
// is to run before the page's own scripts it runs only where the media sources are changed: the page is then written into a
// document of the same origin, whose window stays, since WebDriver Classic knows no other way.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const MINIBROWSER = process.env.MINIBROWSER || "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";
// A request to a driver that has just been started is refused until it listens.
const AGAIN_MS = 50;

/** Starts it. It plays HLS by itself, as an iPhone does. */
export async function launchWebKit({ width, height, "media-source": mediaSource }) {
  const display = spawn("Xvfb", ["-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [number] = await once(createInterface({ input: display.stdout }), "line");
  const port = await freePort();
  const driver = spawn("WebKitWebDriver", [`--port=${port}`], {
    stdio: "ignore",
    env: { ...process.env, DISPLAY: `:${number}`, WEBKIT_GST_ENABLE_HLS_SUPPORT: "1", LIBGL_ALWAYS_SOFTWARE: "1" },
  });
  await listening(port);
  const options = { binary: MINIBROWSER, args: ["--automation"] };
  const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": options } };
  const { sessionId } = await ask(port, "POST", "session", { capabilities });
  const page = new Page((method, path, body) => ask(port, method, `session/${sessionId}/${path}`, body), !!mediaSource);
  await page.setViewport({ width: Number(width), height: Number(height) });
  return {
    pages: async () => [page],
    close: async () => {
      await ask(port, "DELETE", `session/${sessionId}`).catch(() => undefined);
      driver.kill();
      display.kill();
    },
    process: () => driver,
  };
}

class Page {
  #ask;
  #url = "about:blank";
  #loads = [];
  #rewritten;
  #early = [];

  constructor(ask, rewritten) {
    this.#ask = ask;
    this.#rewritten = rewritten;
  }

  async goto(url) {
    if (this.#rewritten) await this.#rewrite(url);
    else await this.#ask("POST", "url", { url });
    this.#url = url;
    for (const load of this.#loads) load();
  }

  async #rewrite(url) {
    // A page that no site has is an answer with the site's own policy, which allows what its pages need.
    await this.#ask("POST", "url", { url: new URL("/no-such-page", url).href });
    for (const { code, args } of this.#early) await this.evaluate(code, ...args);
    const html = await (await fetch(url)).text();
    const write = "history.replaceState(null, '', arguments[0]);"
      + "document.open(); document.write(arguments[1]); document.close();";
    await this.#ask("POST", "execute/sync", { script: write, args: [url, html] });
  }

  url() {
    return this.#url;
  }

  frames() {
    return [this];
  }

  on(event, listener) {
    if (event === "domcontentloaded") this.#loads.push(listener);
  }

  async evaluateOnNewDocument(code, ...args) {
    this.#early.push({ code, args });
  }

  async evaluate(code, ...args) {
    const call = typeof code === "function" ? `return (${code})(...arguments)` : `return (${code})`;
    return this.#ask("POST", "execute/sync", { script: call, args });
  }

  async setViewport({ width, height }) {
    await this.#ask("POST", "window/rect", { width, height });
  }

  async screenshot({ path }) {
    await writeFile(path, Buffer.from(await this.#ask("GET", "screenshot"), "base64"));
  }
}

async function ask(port, method, path, body) {
  const answer = await fetch(`http://127.0.0.1:${port}/${path}`, { method, body: body && JSON.stringify(body) });
  const { value } = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
  return value;
}

async function listening(port) {
  for (;;) {
    if (await fetch(`http://127.0.0.1:${port}/status`).catch(() => null)) return;
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}
