// What runs in the page: counting from its first moment, and a look at its player. Each function stands alone, since
// its text is what the browser gets.

/* global document, performance, window, Event, HTMLVideoElement */

/**
 * Counts in the page, so that nothing between two looks is lost. A page loaded again starts from zero, which the
 * session's `loads` shows. With `noWebSocket`, the page finds none.
 */
export function count(noWebSocket) {
  const seen = { waiting: 0, seeking: 0, videoErrors: 0, pushes: 0, managedSources: 0, enoughs: 0, refused: [] };
  Object.defineProperty(window, "__seen", { value: seen });
  for (const [event, key] of [["waiting", "waiting"], ["seeking", "seeking"], ["error", "videoErrors"]]) {
    document.addEventListener(event, (e) => { if (e.target instanceof HTMLVideoElement) seen[key] += 1; }, true);
  }
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
    seen.refused.push(`${violatedDirective}: ${blockedURI} (${sourceFile}:${lineNumber})`);
  });
  const Native = window.WebSocket;
  const sockets = [];
  window.WebSocket = class extends Native {
    constructor(address, protocols) {
      super(noWebSocket ? String(address).replace(/\/ws$/, "/no-websocket") : address, protocols ?? []);
      sockets.push(this);
      this.addEventListener("message", () => { seen.pushes += 1; });
    }
  };
  const dropWebSockets = () => {
    noWebSocket = true;
    for (const socket of sockets) socket.close();
  };
  Object.defineProperty(window, "__dropWebSockets", { value: dropWebSockets });
}

/**
 * Gives the page the media sources of another browser: none, as on iPhones before iOS 17.1, or the managed kind alone, as on
 * those after. Where the browser has no managed kind, its own is made to tell when it wants more and when it has enough,
 * which an iPhone does to spare its battery.
 */
export function changeMediaSource(kind) {
  const { MediaSource, ManagedMediaSource } = window;
  delete window.MediaSource;
  delete window.ManagedMediaSource;
  delete window.WebKitMediaSource;
  if (kind !== "managed") return;
  const [LITTLE_S, ENOUGH_S] = [4, 10];
  const LOOK_MS = 100;
  class Managing extends MediaSource {
    streaming = false;

    constructor() {
      super();
      this.addEventListener("sourceopen", () => this.#stream(true), { once: true });
      const timer = setInterval(() => {
        if (this.readyState === "closed" && this.sourceBuffers.length > 0) clearInterval(timer);
        const { buffered, currentTime } = document.querySelector("video") ?? {};
        const ahead = buffered?.length > 0 ? buffered.end(buffered.length - 1) - currentTime : 0;
        if (this.streaming ? ahead > ENOUGH_S : ahead < LITTLE_S) this.#stream(!this.streaming);
      }, LOOK_MS);
    }

    #stream(wanted) {
      if (this.readyState === "closed" || wanted === this.streaming) return;
      this.streaming = wanted;
      this.dispatchEvent(new Event(wanted ? "startstreaming" : "endstreaming"));
    }
  }
  window.ManagedMediaSource = class extends (ManagedMediaSource ?? Managing) {
    constructor() {
      super();
      window.__seen.managedSources += 1;
      this.addEventListener("endstreaming", () => { window.__seen.enoughs += 1; });
    }
  };
}

/** What the player of this document does. It may be in the shadow of an element. */
export function look() {
  const roots = [document];
  for (const root of roots) {
    for (const { shadowRoot } of root.querySelectorAll("*")) if (shadowRoot) roots.push(shadowRoot);
  }
  const find = (selector) => roots.map((root) => root.querySelector(selector)).find((found) => found) ?? null;
  const video = find("video");
  const { buffered } = video ?? {};
  const playlists = performance.getEntriesByType("resource").filter(({ name }) => name.includes(".m3u8"));
  return {
    video: video && {
      currentTime: video.currentTime,
      paused: video.paused,
      ended: video.ended,
      muted: video.muted,
      readyState: video.readyState,
      bufferedEnd: buffered.length > 0 ? buffered.end(buffered.length - 1) : null,
      width: video.videoWidth,
      height: video.videoHeight,
      error: video.error && video.error.message,
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
      droppedFrames: video.getVideoPlaybackQuality().droppedVideoFrames,
    },
    state: find("[data-player-state]")?.dataset.playerState ?? null,
    playlist: playlists.at(-1)?.name.replace(/.*\/|\?.*/g, "") ?? null,
    soundOffered: find("#sound")?.hidden === false,
    caption: find("#caption")?.textContent ?? null,
    title: document.querySelector("h1")?.textContent ?? document.title,
    live: Array.from(document.querySelectorAll("#live > li"), (card) => card.querySelector("a")?.textContent),
    ...window.__seen,
  };
}
