// The script of /watch/{broadcast} and /embed/{broadcast}.

import { heading } from "./broadcast-texts";
import { parseMoment } from "./moment";
import { Player } from "./player";
import type { Broadcast } from "./protocol";
import { Socket } from "./socket";
import { Texts } from "./texts";

function element<T extends HTMLElement>(id: string, type: new () => T): T | undefined {
  const found = document.getElementById(id);
  return found instanceof type ? found : undefined;
}

/** Shows what the directory says of the broadcast; /embed has none of these elements. */
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

const root = element("player", HTMLElement);
const video = element("video", HTMLVideoElement);
const caption = element("caption", HTMLElement);
const sound = element("sound", HTMLButtonElement);
const slug = root?.dataset.broadcast;
const skip = element("skip", HTMLButtonElement);
const rewind = element("rewind", HTMLButtonElement);
const goLive = element("go-live", HTMLButtonElement);
const copy = element("copy", HTMLButtonElement);
const moment = element("moment", HTMLInputElement);

/** Where the page's address says to begin; undefined where it does not, or the node knows no such segment. */
async function startAt(slug: string): Promise<number | undefined> {
  const query = new URLSearchParams(location.search);
  const segment = query.get("segment");
  if (segment === null) return parseMoment(query.get("t"));
  const response = await fetch(`/api/v1/broadcasts/${slug}/segments/${encodeURIComponent(segment)}`).catch(() => undefined);
  if (!response?.ok) return undefined;
  const place: { from_ms: number } = await response.json();
  return place.from_ms / 1000;
}

async function start(): Promise<void> {
  if (!(root && video && caption && sound && skip && rewind && goLive && copy && moment && slug)) return;
  const elements = { root, video, caption, sound, skip, rewind, goLive, copy, moment };
  const player = new Player(elements, slug, root.dataset.state === "live", await startAt(slug));
  let t: Texts | undefined;
  void Texts.load().then((texts) => {
    t = texts;
  });
  let wasConnected = false;
  const socket = new Socket(
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
        if (t) showBroadcast(broadcast, t);
        player.setLive(broadcast.state === "live");
      },
    },
    slug,
  );
  socket.watch(slug, video);
}

void start();
