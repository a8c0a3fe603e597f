// The commands, a line each. Where one takes more than a word, the rest of the line is JSON.
//
//   state                                the state now
//   screenshot FILE [WIDTH HEIGHT]       the page as PNG; the whole page with `full-screenshot`
//   play                                 as a viewer who presses play
//   eval EXPRESSION                      its value, which must be JSON
//   click SELECTOR                       once it is there and can be clicked; `>>>` in a selector enters shadows
//   type {"into":SELECTOR,"text":TEXT}   replaces what is in the field
//   key NAME                             a key: Tab, Enter, ArrowRight, k…
//   wait SELECTOR                        until it is there
//   size WIDTH HEIGHT                    of the viewport
//   language TAG                         what pages are asked for in from now on
//   scheme dark|light                    the colours (Chromium; a Firefox is started with or without --dark)
//   forget-files                         has pages load everything anew from now on
//   audit                                what is wrong with the page as it is (audit.mjs)
//   errors                               what went wrong since it was last asked
//   requests                             whom the page asked since it was last asked
//   drop-websockets                      closes the page's WebSockets; it finds none from then on
//   offline | online                     cuts the page off from the network, or not
//   freeze | thaw                        puts the page to sleep, as a phone in a pocket does, or wakes it (Chromium)
//   goto URL                             opens another page in the same tab
//   quit                                 ends; so does the end of standard input

import { audit } from "./audit.mjs";

// What a page does not show by then it does not show.
const PATIENCE_MS = 30_000;

/** Waits until something is there, also on the page that the one at hand gives way to meanwhile. */
async function appears(page, selector) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      await page.waitForSelector(selector, { timeout: Math.max(1, end - Date.now()) });
      return;
    } catch (error) {
      // A form that was just sent takes the page away from under the question.
      if (Date.now() >= end || page.isClosed?.()) throw error;
    }
  }
}

/** Does what a line says, and returns what is to be told. Throws where that fails. */
export async function answer(session, line) {
  const [command, ...words] = line.trim().split(" ");
  const rest = line.trim().slice(command.length).trim();
  const { page } = session;
  const reply = (found = {}) => ({ event: "reply", to: command, ...found });
  switch (command) {
    case "state":
      return { event: "state", ...(await session.state()) };
    case "screenshot":
    case "full-screenshot": {
      const [path, ...size] = words;
      if (size.length === 2) await resize(page, size);
      await page.screenshot({ path, fullPage: command === "full-screenshot" });
      return reply({ path });
    }
    case "eval":
      return reply({ value: (await page.evaluate(rest)) ?? null });
    case "play":
      // Broken off where the page then plays something else.
      await page.evaluate(() => document.querySelector("video").play().catch(() => undefined));
      return reply();
    case "click":
      await page.locator(rest).setTimeout(PATIENCE_MS).click();
      return reply();
    case "type": {
      const { into, text } = JSON.parse(rest);
      await page.locator(into).setTimeout(PATIENCE_MS).fill(text);
      return reply();
    }
    case "key":
      await page.keyboard.press(rest);
      return reply();
    case "wait":
      await appears(page, rest);
      return reply();
    case "size":
      await resize(page, words);
      return reply();
    case "language":
      await session.language(rest);
      return reply();
    case "scheme":
      await session.scheme(rest);
      return reply();
    case "forget-files":
      await page.setCacheEnabled(false);
      return reply();
    case "audit":
      return reply({ value: await audit(session) });
    case "errors":
      return reply({ value: session.errors.splice(0) });
    case "requests":
      return reply({ value: session.requests.splice(0) });
    case "drop-websockets":
      await page.evaluate(() => window.__dropWebSockets());
      return reply();
    case "offline":
    case "online":
      await page.setOfflineMode(command === "offline");
      return reply();
    case "freeze":
    case "thaw":
      await session.freeze(command === "freeze");
      return reply();
    case "goto":
      await session.goto(rest);
      return reply({ url: page.url() });
    default:
      throw new Error("unknown command");
  }
}

const resize = (page, [width, height]) => page.setViewport({ width: Number(width), height: Number(height) });
