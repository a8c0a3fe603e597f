// Lists that are kept as the node knows them: the page is asked for again, and what has changed in it is put in place.
// So there is one place that knows how a card looks, which is the node's template.

import { localise } from "./times";

/** Many phones hear of a change in the same moment; they do not all ask in it. */
const MOST_JITTER_MS = 3000;

export class FreshPage {
  /** What the node wrote into each part, before times were written anew. */
  private readonly written = new WeakMap<Element, string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly random: () => number = Math.random) {
    for (const part of this.parts(document)) this.remember(part);
  }

  /** Asks for the page again soon; several requests are one. A page that nobody sees waits until it is seen. */
  changed(): void {
    if (this.timer !== undefined) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", () => this.changed(), { once: true });
      return;
    }
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.load();
    }, this.random() * MOST_JITTER_MS);
  }

  private async load(): Promise<void> {
    const response = await fetch(location.href).catch(() => undefined);
    const html = response?.ok ? await response.text().catch(() => undefined) : undefined;
    if (html === undefined) return;
    const page = new DOMParser().parseFromString(html, "text/html");
    // Whoever is not let in any more is shown another page.
    if (this.parts(page).length === 0) return;
    const now = this.parts(document);
    let last: Element | undefined;
    for (const part of this.parts(page)) {
      const before = now.find((other) => other.dataset.fresh === part.dataset.fresh);
      if (before && this.written.get(before) === part.outerHTML) {
        last = before;
        continue;
      }
      const placed = document.importNode(part, true);
      this.remember(placed);
      if (before) {
        this.keepPictures(before, placed);
        this.replace(before, placed);
      } else last?.after(placed);
      localise(placed);
      last = placed;
    }
    const names = this.parts(page).map((part) => part.dataset.fresh);
    for (const part of now) if (!names.includes(part.dataset.fresh)) part.remove();
  }

  /** What is seen of a broadcast stays until its next picture is here: an element shows the one until it has the other. */
  private keepPictures(before: HTMLElement, placed: HTMLElement): void {
    const pictures = (part: HTMLElement) => Array.from(part.querySelectorAll<HTMLImageElement>("[data-key] img"));
    const key = (picture: HTMLImageElement) => picture.closest<HTMLElement>("[data-key]")?.dataset.key;
    const shown = pictures(before);
    for (const next of pictures(placed)) {
      const kept = shown.find((picture) => key(picture) === key(next) && picture.naturalWidth > 0);
      if (!kept) continue;
      next.replaceWith(kept);
      if (kept.src !== next.src) kept.src = next.src;
    }
  }

  /** Whoever is at a link or a button with the keyboard stays there. */
  private replace(before: HTMLElement, placed: HTMLElement): void {
    const leads = (control: Element) => control.getAttribute("href") ?? control.getAttribute("value");
    const active = document.activeElement;
    const focused = active && before.contains(active) ? leads(active) : undefined;
    before.replaceWith(placed);
    if (!focused) return;
    for (const control of Array.from(placed.querySelectorAll<HTMLElement>("a, button"))) {
      if (leads(control) === focused) return control.focus({ preventScroll: true });
    }
  }

  private remember(part: HTMLElement): void {
    this.written.set(part, part.outerHTML);
  }

  private parts(root: ParentNode): HTMLElement[] {
    return Array.from(root.querySelectorAll<HTMLElement>("[data-fresh]"));
  }
}
