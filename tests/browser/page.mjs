// What runs in the page: counting from its first moment, and a look at its player. Each function stands alone, since
// its text is what the browser gets.

/* global document, performance, window, HTMLVideoElement */

/**
 * Counts in the page, so that nothing between two looks is lost. A page loaded again starts from zero, which the
 * session's `loads` shows. With `noWebSocket`, the page finds none.
 */
export function count(noWebSocket) {
  const seen = { waiting: 0, seeking: 0, videoErrors: 0, pushes: 0, refused: [] };
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
