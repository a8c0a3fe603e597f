// <meshstream-player broadcast="…">: the player as an element, on this node's pages and on others' (docs/protocol/player.md).
//
// On pages of its node it is in the light DOM, where their style sheets and tests see it; elsewhere it is in a shadow
// root with the node's style sheet, which a page that allows the node's scripts and styles may have without inline styles.

import { Memory } from "./memory";
import { parseMoment } from "./moment";
import { NodeApi } from "./node-api";
import { Player } from "./player";
import { PlayerControls } from "./player-controls";
import { makePlayer } from "./player-dom";
import type { ServerMessage } from "./protocol";
import { Socket } from "./socket";
import type { PlayerState, Status } from "./status";
import { Texts } from "./texts";
import { Thumbnails } from "./thumbnails";
import { Wake } from "./wake";

/** The node that this script came from. */
const SCRIPT_ORIGIN = document.currentScript instanceof HTMLScriptElement ? new URL(document.currentScript.src).origin : location.origin;

/** How often a node that is no page's own is asked whether the broadcast is live: it takes no WebSocket of other pages. */
const ASK_MS = 30_000;

/** Which attributes begin anew when they change. */
const OBSERVED = ["broadcast", "node", "start", "segment", "lang"];

class MeshstreamPlayer extends HTMLElement {
  static get observedAttributes(): string[] {
    return OBSERVED;
  }

  private controls: PlayerControls | undefined;
  private player: Player | undefined;
  private socket: Socket | undefined;
  private thumbnails: Thumbnails | undefined;
  private wake: Wake | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private status: Status = { state: "connecting", caption: "" };
  /** Which beginning this is: what was asked for before it is dropped. */
  private generation = 0;

  /** The origin of the node, from its attribute or the script's address. */
  get node(): string {
    const given = this.getAttribute("node");
    try {
      return given ? new URL(given, location.href).origin : SCRIPT_ORIGIN;
    } catch {
      return SCRIPT_ORIGIN;
    }
  }

  get broadcast(): string {
    return this.getAttribute("broadcast") ?? "";
  }

  set broadcast(slug: string) {
    this.setAttribute("broadcast", slug);
  }

  get state(): PlayerState {
    return this.status.state;
  }

  get caption(): string {
    return this.status.caption;
  }

  get live(): boolean {
    return this.player?.isLive() ?? false;
  }

  get atLiveEdge(): boolean {
    return this.player?.isAtLiveEdge() ?? false;
  }

  get duration(): number {
    return this.player?.where().end ?? Number.NaN;
  }

  get currentTime(): number {
    return this.player?.where().at ?? 0;
  }

  set currentTime(seconds: number) {
    this.player?.seek(seconds);
  }

  /** The video element, for what is not named here. */
  get video(): HTMLVideoElement | null {
    return (this.shadowRoot ?? this).querySelector("video");
  }

  play(): void {
    this.player?.begin();
  }

  pause(): void {
    this.video?.pause();
  }

  goLive(): void {
    this.player?.goLive();
  }

  /** The address of the moment that is shown, on the node. */
  link(): Promise<string | undefined> {
    return this.player?.link() ?? Promise.resolve(undefined);
  }

  connectedCallback(): void {
    void this.begin();
  }

  disconnectedCallback(): void {
    this.end();
  }

  attributeChangedCallback(_: string, before: string | null, now: string | null): void {
    if (!this.isConnected || before === now || this.generation === 0) return;
    this.end();
    void this.begin();
  }

  private async begin(): Promise<void> {
    this.generation += 1;
    const { generation, node } = this;
    const home = node === location.origin;
    const elements = makePlayer();
    this.mount(elements.root, home ? undefined : node);
    const controls = new PlayerControls(elements, (status) => {
      this.status = status;
      this.tell("meshstream-state", status);
    });
    this.controls = controls;
    elements.video.addEventListener("timeupdate", () => {
      this.tell("meshstream-time", { currentTime: this.currentTime, duration: this.duration });
    });
    if (home) controls.takePageKeys();
    void Texts.load(this.language(), home ? "" : node).then((t) => {
      if (generation === this.generation) controls.setTexts(t);
    });

    const api = new NodeApi(home ? "" : node, this.broadcast);
    const [facts, startAt] = await Promise.all([this.facts(api), this.startAt(api)]);
    if (generation !== this.generation) return;
    if (facts === null) {
      const t = await Texts.load(this.language(), home ? "" : node);
      if (generation === this.generation) controls.say("unplayable", t.get("player-unknown"));
      return;
    }
    const { live, pictures } = facts;
    if (pictures) elements.video.poster = api.poster();
    this.thumbnails = new Thumbnails(api, pictures);
    controls.setThumbnails(this.thumbnails);
    const options = { live, startAt, autoplay: this.hasAttribute("autoplay"), muted: this.hasAttribute("muted"), memory: new Memory() };
    const player = new Player(elements.video, api, options, {
      looked: (snapshot) => controls.looked(snapshot),
      course: (course) => {
        controls.showCourse(course);
        this.tell("meshstream-timeline", course);
      },
      choices: () => controls.setChoices(),
    });
    this.player = controls.player = player;
    this.wake = new Wake((slept) => {
      this.socket?.connectNow();
      player.wake(slept);
    });
    if (home) this.listen(player, elements.video);
    else this.timer = setInterval(() => void api.facts().then((facts) => facts && player.setLive(facts.state === "live")), ASK_MS);
  }

  /** Puts the player in its place. */
  private mount(root: HTMLElement, foreignNode: string | undefined): void {
    if (foreignNode === undefined) {
      this.textContent = "";
      this.append(root);
      return;
    }
    const shadow = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = `${foreignNode}/player.css`;
    shadow.textContent = "";
    shadow.append(style, root);
  }

  /** The language of the element, of what is around it, or of the browser. */
  private language(): string {
    return this.closest<HTMLElement>("[lang]")?.lang || navigator.language;
  }

  /** What is known of the broadcast; null where the node knows no such broadcast. Asked until the node answers. */
  private async facts(api: NodeApi): Promise<{ live: boolean; pictures: boolean } | null> {
    const { generation } = this;
    const given = this.dataset.state;
    if (given) return { live: given === "live", pictures: this.dataset.pictures !== undefined };
    for (;;) {
      const facts = await api.facts();
      if (facts) return { live: facts.state === "live", pictures: facts.pictures };
      if (facts === null || generation !== this.generation) return null;
      await new Promise((resolve) => setTimeout(resolve, 3000));
    }
  }

  /** Where to begin: what the attributes say, or on the node's own pages the page's address. */
  private async startAt(api: NodeApi): Promise<number | undefined> {
    const query = new URLSearchParams(this.hasAttribute("from-address") ? location.search : "");
    const segment = this.getAttribute("segment") ?? query.get("segment");
    if (segment === null) return parseMoment(this.getAttribute("start") ?? query.get("t"));
    const place = await api.place(segment);
    return place && place.from_ms / 1000;
  }

  private listen(player: Player, video: HTMLVideoElement): void {
    let wasConnected = false;
    this.socket = new Socket(
      {
        connected: () => {
          // A change may have been missed while the socket was away.
          if (wasConnected) player.refresh();
          wasConnected = true;
        },
        message: (message) => this.receive(message, player),
      },
      this.broadcast,
    );
    this.socket.watch(this.broadcast, video);
  }

  private receive(message: ServerMessage, player: Player): void {
    if (message.type === "playlist") player.refresh(message.renditions);
    if (message.type === "directory") {
      const broadcast = message.broadcasts.find(({ slug }) => slug === this.broadcast);
      if (broadcast) player.setLive(broadcast.state === "live");
    }
    this.tell("meshstream-message", message);
  }

  private tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  private end(): void {
    this.generation += 1;
    clearInterval(this.timer);
    this.socket?.close();
    this.wake?.stop();
    this.thumbnails?.stop();
    this.player?.destroy();
    this.controls?.destroy();
    this.socket = this.wake = this.thumbnails = this.player = this.controls = undefined;
  }
}

// Twice on a page it is defined once.
if (!customElements.get("meshstream-player")) customElements.define("meshstream-player", MeshstreamPlayer);
