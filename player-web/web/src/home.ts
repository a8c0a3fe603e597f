// The script of the home page: keeps the lists of broadcasts as the node knows them.

import { heading, nodeLine, shortPublisher, started } from "./broadcast-texts";
import type { Broadcast } from "./protocol";
import { Socket } from "./socket";
import { Texts } from "./texts";

function node(tag: string, className: string, text?: string): HTMLElement {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The same elements as templates/broadcast_item.html. */
function item(broadcast: Broadcast, t: Texts): HTMLElement {
  const card = node("li", "card");
  card.dataset.broadcast = broadcast.slug;
  const link = document.createElement("a");
  link.href = `/watch/${broadcast.slug}`;
  link.append(node("bdi", "", heading(broadcast, t)));
  const meta = node("p", "meta");
  const since = node("span", "", t.get("began", { when: started(broadcast, t) }));
  const publisher = node("span", "", t.get("by", { publisher: shortPublisher(broadcast) }));
  publisher.title = broadcast.publisher;
  meta.append(
    node("span", `badge ${broadcast.state}`, broadcast.state === "live" ? t.get("state-live") : t.get("state-ended")),
    " ",
    since,
    " ",
    publisher,
  );
  card.append(link, meta);
  if (broadcast.description !== "") {
    const description = node("p", "description");
    description.append(node("bdi", "", broadcast.description));
    card.append(description);
  }
  return card;
}

/** Shows the broadcasts in a list, leaving alone what has not changed, so that nobody loses their place in it. */
function fill(list: HTMLElement, broadcasts: Broadcast[], t: Texts): void {
  const shown = new Map<string, Element>();
  for (const card of Array.from(list.children)) shown.set((card as HTMLElement).dataset.broadcast ?? "", card);
  broadcasts.forEach((broadcast, index) => {
    const fresh = item(broadcast, t);
    let card = shown.get(broadcast.slug);
    shown.delete(broadcast.slug);
    if (!card) card = fresh;
    else if (card.textContent?.replace(/\s+/g, "") !== fresh.textContent?.replace(/\s+/g, "")) {
      card.replaceWith(fresh);
      card = fresh;
    }
    if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
  });
  for (const gone of shown.values()) gone.remove();
}

async function start(): Promise<void> {
  const live = document.getElementById("live");
  const ended = document.getElementById("ended");
  const liveEmpty = document.getElementById("live-empty");
  const endedSection = document.getElementById("ended-section");
  const connection = document.getElementById("connection");
  const line = document.getElementById("node-line");
  if (!(live && ended && liveEmpty && endedSection && connection && line)) return;
  const t = await Texts.load();
  new Socket({
    connected: () => {
      connection.hidden = true;
    },
    disconnected: () => {
      connection.hidden = false;
      connection.textContent = t.get("list-not-current");
    },
    node: (state) => {
      line.textContent = nodeLine(state, t);
    },
    directory: (broadcasts) => {
      const now = broadcasts.filter((broadcast) => broadcast.state === "live");
      const before = broadcasts.filter((broadcast) => broadcast.state === "ended");
      fill(live, now, t);
      fill(ended, before, t);
      liveEmpty.hidden = now.length > 0;
      endedSection.hidden = before.length === 0;
    },
  });
}

void start();
