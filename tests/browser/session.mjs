// One tab of a browser, and what was noted of it: how often it loaded, what went wrong, whom it asked.

import { changeMediaSource, count, look } from "./page.mjs";

// So many errors and requests are kept; a page that makes more is wrong already.
const ERRORS = 50;
const REQUESTS = 1000;
// What Chromium says of a header that it cannot read, which is no error to it.
const HEADER_UNREAD = /^Error with \S+ header/;

export class Session {
  /** How often the page was loaded: more than once means that it was reloaded. */
  loads = 0;
  /** What the page threw, logged as an error, or was refused by its policy, the newest. */
  errors = [];
  /** `{url, status}` of each request, the oldest; the status is null where there was no answer. */
  requests = [];

  constructor(page, { print, browser }) {
    this.page = page;
    this.print = print;
    this.browser = browser;
  }

  static async open(browser, options) {
    const [page] = await browser.pages();
    const session = new Session(page, options);
    if (options.browser === "chromium") await session.scheme(options.dark ? "dark" : "light");
    if (options.language) await session.language(options.language);
    await page.evaluateOnNewDocument(count, options["no-websocket"]);
    const mediaSource = options["media-source"];
    if (mediaSource) await page.evaluateOnNewDocument(changeMediaSource, mediaSource);
    session.#listen();
    return session;
  }

  #listen() {
    const { page } = this;
    page.on("domcontentloaded", () => { this.loads += 1; });
    page.on("pageerror", (error) => this.#note(`page: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || HEADER_UNREAD.test(message.text())) this.#note(`console: ${message.text()} (${message.location()?.url ?? "no place"})`);
    });
    page.on("response", (response) => this.#request(response.request(), response));
    page.on("requestfailed", (request) => this.#request(request, null));
  }

  #note(message) {
    this.errors.push(message);
    if (this.errors.length > ERRORS) this.errors.shift();
    this.print({ event: "error", message });
  }

  #request(request, response) {
    if (this.requests.length >= REQUESTS || !/^https?:/.test(request.url())) return;
    this.requests.push({ url: request.url(), status: response?.status() ?? null });
  }

  /** Opens a page, which is there once its text is. */
  async goto(url) {
    await this.page.goto(url, { waitUntil: "domcontentloaded" });
  }

  /** What pages are asked for in from now on. */
  async language(tag) {
    await this.page.setExtraHTTPHeaders({ "accept-language": tag });
  }

  /** The colour scheme from now on. */
  async scheme(value) {
    if (this.browser !== "chromium") throw new Error("only Chromium changes its colours: start another Firefox, --dark or not");
    await this.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
  }

  /** Puts the page to sleep: it is hidden, and none of its timers runs. Or wakes it. */
  async freeze(frozen) {
    const devtools = await this.page.createCDPSession();
    await devtools.send("Page.setWebLifecycleState", { state: frozen ? "frozen" : "active" });
    await devtools.detach();
    if (frozen) return;
    // It is seen again once it comes back from behind another.
    const other = await this.page.browser().newPage();
    await other.bringToFront();
    await this.page.bringToFront();
    await other.close();
  }

  /** What the page's player does. The player may be in a frame, on a page of another origin. */
  async state() {
    const [main, ...frames] = this.page.frames();
    let seen = await main.evaluate(look);
    for (const frame of frames) {
      if (seen.video) break;
      // A frame that is just going away has nothing to tell.
      seen = { ...seen, ...(await frame.evaluate(look).catch(() => ({}))) };
    }
    return { ...seen, loads: this.loads, errors: this.errors.length };
  }
}
