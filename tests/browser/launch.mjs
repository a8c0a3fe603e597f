// A headless browser of the system: Debian's Chromium, driven over its own protocol, or Debian's Firefox, driven over
// WebDriver BiDi (webkit.mjs has the third). Neither asks for a gesture before it plays, and neither calls anybody by itself.

import puppeteer from "puppeteer-core";
import { launchWebKit } from "./webkit.mjs";

const CHROMIUM_ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

/** Preferences of Firefox; the colour scheme is one, since BiDi has no command for it. */
const firefoxPreferences = ({ dark }) => ({
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  "layout.css.prefers-color-scheme.content-override": dark ? 0 : 1,
  // The captive portal and connectivity checks would reach for the Internet.
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
});

/**
 * Starts it with a profile of its own, which goes with it.
 *
 * @param {{browser: string, width: string, height: string, dark: boolean}} options as on the command line
 */
export async function launch(options) {
  const common = {
    headless: true,
    defaultViewport: { width: Number(options.width), height: Number(options.height) },
  };
  switch (options.browser) {
    case "chromium":
      return puppeteer.launch({
        ...common,
        browser: "chrome",
        executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
        pipe: true,
        args: CHROMIUM_ARGUMENTS,
      });
    case "firefox":
      return puppeteer.launch({
        ...common,
        browser: "firefox",
        executablePath: process.env.FIREFOX || "/usr/bin/firefox-esr",
        extraPrefsFirefox: firefoxPreferences(options),
      });
    case "webkit":
      return launchWebKit(options);
    default:
      throw new Error(`no browser ${options.browser}: it is chromium, firefox or webkit`);
  }
}
