// The script of every page. Pages work without it; with it, times are in the viewer's clock, what changes appears by
// itself, and older posts come without another page.

import { FreshPage } from "./fresh";
import { reload, remove, show } from "./posts";
import type { ServerMessage } from "./protocol";
import { Socket } from "./socket";
import { localise, zoneOffset } from "./times";

/** Puts older posts below those shown, where a link leads to them. */
function loadOlderInPlace(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>("a[data-older]") : null;
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  void loadOlder(link);
}

async function loadOlder(link: HTMLAnchorElement): Promise<void> {
  const list = link.closest("p")?.previousElementSibling;
  const response = await fetch(link.href).catch(() => undefined);
  const html = response?.ok ? await response.text().catch(() => undefined) : undefined;
  // What cannot be done in place is done as without scripts.
  if (html === undefined || !list) return location.assign(link.href);
  const page = new DOMParser().parseFromString(html, "text/html");
  const posts = Array.from(page.querySelectorAll("[data-posts] > *"), (post) => document.importNode(post, true));
  for (const post of posts) localise(post);
  list.append(...posts);
  const next = page.querySelector<HTMLAnchorElement>("a[data-older]");
  if (next) link.setAttribute("href", next.getAttribute("href") ?? "");
  else link.closest("p")?.remove();
  posts[0]?.querySelector<HTMLElement>("a")?.focus();
}

/** Buttons that copy a field. Pages that come by plain HTTP have no clipboard; the older way has worked since before that. */
function offerCopies(): void {
  for (const button of Array.from(document.querySelectorAll<HTMLButtonElement>("button[data-copy]"))) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const field = document.getElementById(button.dataset.copy ?? "");
      if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) return;
      field.select();
      if (document.execCommand("copy")) button.textContent = button.dataset.copied ?? button.textContent;
    });
  }
}

/** Offers the zone of this clock where a time is asked for, until another is chosen: that of the day, which may have summer time. */
function offerZone(form: HTMLFormElement): void {
  const zone = form.querySelector<HTMLSelectElement>("select[name=zone]");
  const date = form.querySelector<HTMLInputElement>("input[name=date]");
  const offer = (): void => {
    const offset = zoneOffset(date?.value ? new Date(`${date.value}T12:00`) : new Date());
    if (zone && Array.from(zone.options).some(({ value }) => value === offset)) zone.value = offset;
  };
  offer();
  date?.addEventListener("change", offer);
  zone?.addEventListener("change", () => date?.removeEventListener("change", offer));
}

/** Loads the newest posts again. Where that does not bring all, says so, and leads to them. */
async function makeGood(root: HTMLElement): Promise<void> {
  if (await reload(root)) return;
  const missed = root.querySelector<HTMLElement>("[data-missed]");
  if (missed) missed.hidden = false;
}

/** Shows what is pushed of a broadcast's comments. The player has the WebSocket, and hands on what comes. */
function followComments(root: HTMLElement): void {
  let connected = false;
  document.addEventListener("meshstream-message", (event) => {
    const message = (event as CustomEvent<ServerMessage>).detail;
    if (message.type === "comment" && message.broadcast === root.dataset.follow) show(message.post, root);
    if (message.type === "hidden") remove(message.key, root);
    if (message.type === "missed" || (message.type === "hello" && connected)) void makeGood(root);
    if (message.type === "hello") connected = true;
  });
}

function followTimeline(root: HTMLElement): void {
  let connected = false;
  const socket = new Socket({
    connected: () => {
      // What was said while the socket was away was not pushed.
      if (connected) void makeGood(root);
      connected = true;
    },
    post: (post) => show(post, root),
    hidden: (key) => remove(key, root),
    missed: () => void makeGood(root),
  });
  socket.followTimeline();
}

function keepFresh(): void {
  const page = new FreshPage();
  const connection = document.getElementById("connection");
  /** What is shown of each message. The first of each is what the page was made from. */
  const known = new Map<string, string>();
  const compare = (type: string, shown: unknown): void => {
    const before = known.get(type);
    const now = JSON.stringify(shown);
    known.set(type, now);
    if (before !== undefined && before !== now) page.changed();
  };
  new Socket({
    connected: () => {
      if (connection) connection.hidden = true;
    },
    disconnected: () => {
      if (connection) connection.hidden = false;
    },
    directory: (broadcasts, upcoming) => compare("directory", [broadcasts, upcoming]),
    node: ({ peers, storage }) => compare("node", [peers, storage.disk_full]),
  });
  const part = document.querySelector<HTMLElement>("[data-fresh-every]");
  const seconds = Number(part?.dataset.freshEvery);
  // Nothing tells of some changes.
  if (seconds > 0) setInterval(() => document.hidden || page.changed(), seconds * 1000);
}

const talk = document.querySelector<HTMLElement>("[data-follow]");
if (document.querySelector("[data-fresh]")) keepFresh();
localise(document);
offerCopies();
document.querySelectorAll<HTMLFormElement>("form[data-own-zone]").forEach(offerZone);
document.addEventListener("click", loadOlderInPlace);
if (talk?.dataset.follow === "timeline") followTimeline(talk);
else if (talk) followComments(talk);
