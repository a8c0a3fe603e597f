// The script of /watch/{broadcast} and /embed/{broadcast}.

import { Player } from "./player";
import type { Broadcast } from "./protocol";
import { Socket } from "./socket";
import { heading } from "./texts";

function element<T extends HTMLElement>(id: string, type: new () => T): T | undefined {
  const found = document.getElementById(id);
  return found instanceof type ? found : undefined;
}

/** Shows what the directory says of the broadcast; /embed has none of these elements. */
function showBroadcast(broadcast: Broadcast): void {
  const title = element("title", HTMLElement)?.firstElementChild;
  if (title) title.textContent = heading(broadcast);
  const state = element("state", HTMLElement);
  if (state) {
    const live = broadcast.state === "live";
    state.textContent = live ? "Live" : "Ended";
    state.className = `badge ${broadcast.state}`;
  }
  const hint = document.querySelector<HTMLElement>(".hint");
  if (hint) hint.hidden = broadcast.state === "ended";
  const description = element("description", HTMLElement);
  if (description?.firstElementChild) {
    description.hidden = broadcast.description === "";
    description.firstElementChild.textContent = broadcast.description;
  }
  document.title = `${heading(broadcast)} – Meshstream`;
}

const root = element("player", HTMLElement);
const video = element("video", HTMLVideoElement);
const caption = element("caption", HTMLElement);
const sound = element("sound", HTMLButtonElement);
const slug = root?.dataset.broadcast;
if (root && video && caption && sound && slug) {
  const player = new Player({ root, video, caption, sound }, slug, root.dataset.state === "live");
  let wasConnected = false;
  new Socket(
    {
      connected: () => {
        // A change may have been missed while the socket was away.
        if (wasConnected) player.refresh();
        wasConnected = true;
      },
      playlist: () => player.refresh(),
      directory(broadcasts) {
        const broadcast = broadcasts.find((one) => one.slug === slug);
        if (!broadcast) return;
        showBroadcast(broadcast);
        player.setLive(broadcast.state === "live");
      },
    },
    slug,
  );
}
