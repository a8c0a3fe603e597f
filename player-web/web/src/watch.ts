// The script of /watch/{broadcast}: keeps what stands around the player as the node knows it. The player has the
// WebSocket and hands on its messages.

import { heading } from "./broadcast-texts";
import type { Broadcast, ServerMessage } from "./protocol";
import { Texts } from "./texts";

function element<T extends HTMLElement>(id: string, type: new () => T): T | undefined {
  const found = document.getElementById(id);
  return found instanceof type ? found : undefined;
}

function showBroadcast(broadcast: Broadcast, t: Texts): void {
  const title = element("title", HTMLElement)?.firstElementChild;
  if (title) title.textContent = heading(broadcast, t);
  const state = element("state", HTMLElement);
  if (state) {
    const live = broadcast.state === "live";
    state.textContent = live ? t.get("state-live") : t.get("state-ended");
    state.className = `badge ${broadcast.state}`;
  }
  const hint = document.querySelector<HTMLElement>(".hint");
  if (hint) hint.hidden = broadcast.state === "ended";
  const description = element("description", HTMLElement);
  if (description?.firstElementChild) {
    description.hidden = broadcast.description === "";
    description.firstElementChild.textContent = broadcast.description;
  }
  document.title = t.get("page-title", { page: heading(broadcast, t) });
}

const texts = Texts.load();
document.addEventListener("meshstream-message", (event) => {
  const message = (event as CustomEvent<ServerMessage>).detail;
  const slug = event.target instanceof Element ? event.target.getAttribute("broadcast") : null;
  if (message.type !== "directory") return;
  const broadcast = message.broadcasts.find((one) => one.slug === slug);
  if (broadcast) void texts.then((t) => showBroadcast(broadcast, t));
});
