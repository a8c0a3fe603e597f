// Posts that are pushed, put into the page as the node would write them: from the template that stands in it
// (templates/post_template.html).

import type { Post } from "./protocol";
import { localise } from "./times";

/** Posts that a page shows at most; the oldest of them give way, and are on the pages of older ones. */
const MAX_SHOWN = 300;

const TONES = 8;

/** A message or a feed (`%….sha256`, `@….ed25519`) as it stands in addresses. */
export function slug(id: string): string {
  return id.slice(1).split("=")[0]?.split(".")[0]?.replace(/\+/g, "-").replace(/\//g, "_") ?? "";
}

/** What its author is called: a name, or enough of the feed to tell it from others. */
export function authorName(post: Post): string {
  const name = post.author.name?.trim() ?? "";
  return name === "" ? `${post.author.feed.slice(0, 9)}…` : name;
}

/** The letter that stands in for a picture. */
export function initial(name: string): string {
  return /[\p{L}\p{N}]/u.exec(name)?.[0].toUpperCase() ?? "@";
}

function picture(post: Post): HTMLElement {
  if (post.author.image !== null) {
    const image = document.createElement("img");
    image.className = "avatar";
    image.src = post.author.image;
    image.alt = "";
    image.width = image.height = 40;
    return image;
  }
  const letter = document.createElement("span");
  const tone = (atob(post.author.feed.slice(1, 5)).charCodeAt(0) || 0) % TONES;
  letter.className = `avatar tone-${tone}`;
  letter.setAttribute("aria-hidden", "true");
  letter.textContent = initial(authorName(post));
  return letter;
}

function made(post: Post): HTMLElement | undefined {
  const template = document.getElementById("post-template");
  const item = template instanceof HTMLTemplateElement ? template.content.firstElementChild?.cloneNode(true) : undefined;
  if (!(item instanceof HTMLElement)) return undefined;
  const key = slug(post.key);
  item.id = `post-${key}`;
  item.dataset.key = key;
  item.querySelector(".avatar")?.replaceWith(picture(post));
  const author = item.querySelector<HTMLAnchorElement>(".author");
  if (author) {
    author.href = `/feed/${slug(post.author.feed)}`;
    author.title = post.author.feed;
    if (author.firstElementChild) author.firstElementChild.textContent = authorName(post);
  }
  const when = item.querySelector<HTMLAnchorElement>(".when");
  if (when) when.href = `/thread/${key}`;
  // There for the owner alone; the template knows where to come back to.
  const hide = item.querySelector<HTMLAnchorElement>(".hide");
  if (hide) hide.href = `/admin/hidden/${key}${hide.getAttribute("href") ?? ""}`;
  const time = item.querySelector("time");
  const date = new Date(post.written_at);
  if (time && !Number.isNaN(date.getTime())) {
    const stamp = date.toISOString().slice(0, 16);
    time.dateTime = `${stamp}Z`;
    time.textContent = `${stamp.replace("T", " ")} UTC`;
  }
  // The node made this HTML: nothing in it runs.
  const text = item.querySelector(".text");
  if (text) text.innerHTML = post.html;
  localise(item);
  return item;
}

/** Takes a post that the owner hid out of the page. Whoever is in it with the keyboard goes on with what stands there then. */
export function remove(key: string, root: ParentNode): void {
  removeElement(root.querySelector(`[id="post-${CSS.escape(slug(key))}"]`));
}

function removeElement(post: Element | null): void {
  if (!post) return;
  const next = post.contains(document.activeElement) ? (post.nextElementSibling ?? post.previousElementSibling) : null;
  post.remove();
  next?.querySelector<HTMLElement>("a")?.focus({ preventScroll: true });
}

/** What to do with the posts of a page, newest first, where the newest of them were loaded again. Pure. */
export function compare(shown: readonly string[], loaded: readonly string[]): { gone: string[]; whole: boolean } {
  if (loaded.length === 0) return { gone: [...shown], whole: true };
  const known = new Set(loaded);
  const last = shown.reduce((found, key, index) => (known.has(key) ? index : found), -1);
  return {
    // What is older than all that was loaded may be there still.
    gone: shown.slice(0, last + 1).filter((key) => !known.has(key)),
    whole: shown.length === 0 || last >= 0,
  };
}

/** Loads the newest posts of this page again, after some may have been left out: shows those that it does not show yet, and
 * takes out what is hidden meanwhile. False where posts may still be missing. */
export async function reload(root: ParentNode): Promise<boolean> {
  const list = root.querySelector("[data-posts]");
  const keys = (of: Iterable<Element>) => Array.from(of, ({ id }) => id);
  // Before it is asked: what comes in between is not gone.
  const shown = keys(list?.children ?? []);
  const response = await fetch(location.href).catch(() => undefined);
  const html = response?.ok ? await response.text().catch(() => undefined) : undefined;
  if (html === undefined || !list) return false;
  const page = new DOMParser().parseFromString(html, "text/html");
  const loaded = Array.from(page.querySelectorAll("[data-follow] [data-posts] > *"));
  const { gone, whole } = compare(shown, keys(loaded));
  for (const id of gone) removeElement(document.getElementById(id));
  let older: Element | undefined;
  for (const post of loaded.reverse()) {
    const there = document.getElementById(post.id);
    const placed = there ?? document.importNode(post, true);
    if (!there) {
      if (older) older.before(placed);
      else list.prepend(placed);
      localise(placed);
    }
    older = placed;
  }
  if (loaded.length > 0) root.querySelector("[data-none]")?.remove();
  return whole;
}

/** Shows a post above the others, once. */
export function show(post: Post, root: ParentNode): void {
  const list = root.querySelector("[data-posts]");
  if (!list || document.getElementById(`post-${slug(post.key)}`)) return;
  const item = made(post);
  if (!item) return;
  list.prepend(item);
  root.querySelector("[data-none]")?.remove();
  while (list.children.length > MAX_SHOWN) list.lastElementChild?.remove();
}
