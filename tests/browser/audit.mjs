// What is wrong with a page as it is: rules of WCAG 2.2 AA by axe-core, a page wider than its window, and what its
// content security policy refused.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// WCAG 2.2 AA is what these name together; axe keeps each version's rules under its own tag.
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** The faults, a line each, in all frames. None means that there are none. */
export async function audit({ page }) {
  const faults = [];
  for (const frame of page.frames()) {
    await frame.evaluate(axe);
    faults.push(...(await frame.evaluate(violations, RULES)));
  }
  faults.push(...(await page.evaluate(width)));
  faults.push(...(await page.evaluate(() => window.__seen.refused.map((refused) => `refused by the policy: ${refused}`))));
  return faults;
}

/** Runs in the page: a line for each element that breaks a rule. */
async function violations(rules) {
  const { violations } = await window.axe.run({ runOnly: { type: "tag", values: rules }, iframes: false });
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) =>
      `${id} (${help}): ${target.flat().join(" ")}: ${failureSummary.replaceAll(/\s+/g, " ")}`));
}

/** Runs in the page: whether it scrolls sideways, and the outermost elements that stick out. */
function width() {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return [];
  const out = (element) => {
    const { left, right } = element.getBoundingClientRect();
    return left < 0 || right > page.clientWidth + 1;
  };
  const name = ({ tagName, id, className }) => `${tagName.toLowerCase()}${id && `#${id}`}${className && `.${className}`}`;
  const elements = [...document.body.querySelectorAll("*")].filter((element) => out(element) && !out(element.parentElement));
  return [`${page.scrollWidth} px wide in a window of ${page.clientWidth}: ${elements.map(name).join(", ")}`];
}
