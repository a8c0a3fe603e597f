// The WebSocket to the node: reconnects for ever, subscribes again to all that it subscribed to, and tells when it has done so, for
// changes in between are lost. Everything works without it, only later.

import { Backoff } from "./backoff";
import {
  type Broadcast,
  type ClientMessage,
  type NodeState,
  type Post,
  type ServerMessage,
  type Statistics,
  type Upcoming,
  VERSION,
  encodeClientMessage,
  parseServerMessage,
} from "./protocol";

export interface SocketEvents {
  /** Connected, for the first time or again: what was pushed in between is not known. */
  connected?(): void;
  /** Lost, or never reached; tried again by itself. */
  disconnected?(): void;
  directory?(broadcasts: Broadcast[], upcoming: Upcoming[]): void;
  /** The node, at first and when it has changed. */
  node?(state: NodeState): void;
  /** The live playlist of a broadcast subscribed to has changed. */
  playlist?(broadcast: string): void;
  /** Who watches a broadcast subscribed to, and who brings it; at first and when it has changed. */
  statistics?(statistics: Statistics): void;
  /** Somebody commented on a broadcast subscribed to. */
  comment?(broadcast: string, post: Post): void;
  /** Somebody began a thread; after `followTimeline`. */
  post?(post: Post): void;
  /** The owner of the node hid a message. */
  hidden?(key: string): void;
  /** Comments or posts were left out, or some were hidden: load them again. */
  missed?(): void;
  /** Any message that is understood, besides. */
  message?(message: ServerMessage): void;
}

/** The node pings every 20 s but a page cannot see that; a try that hangs is given up after this long. */
const CONNECT_TIMEOUT_MS = 10_000;

/** How often at most the node is told again whether a broadcast plays: it takes 32 messages in 10 s. */
const PLAYING_PAUSE_MS = 1_000;

export class Socket {
  private readonly backoff = new Backoff(500, 15_000);
  /** Broadcasts subscribed to, and whether they are played here, where that is known. */
  private readonly subscriptions = new Map<string, boolean | undefined>();
  private timeline = false;
  private socket: WebSocket | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  /** Once the node has said hello. */
  private open: WebSocket | undefined;
  private telling: ReturnType<typeof setTimeout> | undefined;
  private readonly untold = new Set<string>();

  constructor(
    private readonly events: SocketEvents,
    ...subscriptions: (string | undefined)[]
  ) {
    for (const broadcast of subscriptions) if (broadcast) this.subscriptions.set(broadcast, undefined);
    this.connect();
  }

  subscribe(broadcast: string): void {
    if (this.subscriptions.has(broadcast)) return;
    this.subscriptions.set(broadcast, undefined);
    this.tellSubscription(broadcast);
  }

  unsubscribe(broadcast: string): void {
    if (this.subscriptions.delete(broadcast)) this.send({ type: "unsubscribe", broadcast });
  }

  followTimeline(): void {
    if (this.timeline) return;
    this.timeline = true;
    this.send({ type: "timeline" });
  }

  /** Whether a broadcast is played here, so that its viewers can be counted. Nothing else is told of who watches. */
  setPlaying(broadcast: string, playing: boolean): void {
    if (this.subscriptions.get(broadcast) === playing) return;
    this.subscriptions.set(broadcast, playing);
    this.untold.add(broadcast);
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      for (const one of this.untold) if (this.subscriptions.has(one)) this.tellSubscription(one);
      this.untold.clear();
    }, PLAYING_PAUSE_MS);
  }

  /** Tells by itself whether a broadcast plays in this element. */
  watch(broadcast: string, video: HTMLMediaElement): void {
    const tell = () => this.setPlaying(broadcast, !video.paused && !video.ended);
    for (const event of ["playing", "pause", "ended", "emptied"]) video.addEventListener(event, tell);
    tell();
  }

  private connect(): void {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws?v=${VERSION}`);
    this.socket = socket;
    const timeout = setTimeout(() => socket.close(), CONNECT_TIMEOUT_MS);
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.receive(socket, data);
    };
    socket.onclose = () => {
      clearTimeout(timeout);
      if (this.closed || socket !== this.socket) return;
      this.open = undefined;
      this.events.disconnected?.();
      this.retry = setTimeout(() => this.connect(), this.backoff.next());
    };
    socket.onopen = () => clearTimeout(timeout);
  }

  /** Where it is lost: tries now, instead of later. */
  connectNow(): void {
    const { socket } = this;
    if (this.closed || socket?.readyState === WebSocket.OPEN || socket?.readyState === WebSocket.CONNECTING) return;
    clearTimeout(this.retry);
    this.connect();
  }

  /** For good. */
  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    clearTimeout(this.telling);
    this.socket?.close();
  }

  private receive(socket: WebSocket, text: string): void {
    const message = parseServerMessage(text);
    if (message) this.events.message?.(message);
    switch (message?.type) {
      case "hello":
        // A node of another version is not understood; the page goes on without pushes.
        if (message.version !== VERSION) return;
        this.open = socket;
        this.backoff.reset();
        for (const broadcast of this.subscriptions.keys()) this.tellSubscription(broadcast);
        if (this.timeline) this.send({ type: "timeline" });
        this.events.connected?.();
        return;
      case "directory":
        this.events.directory?.(message.broadcasts, message.upcoming);
        return;
      case "node":
        this.events.node?.(message);
        return;
      case "playlist":
        if (this.subscriptions.has(message.broadcast)) this.events.playlist?.(message.broadcast);
        return;
      case "statistics":
        if (this.subscriptions.has(message.broadcast)) this.events.statistics?.(message);
        return;
      case "comment":
        this.events.comment?.(message.broadcast, message.post);
        return;
      case "post":
        this.events.post?.(message.post);
        return;
      case "hidden":
        this.events.hidden?.(message.key);
        return;
      case "missed":
        this.events.missed?.();
        return;
      case "error":
        console.warn("the node did not accept a message:", message.message);
        return;
      default:
        return;
    }
  }

  private tellSubscription(broadcast: string): void {
    const playing = this.subscriptions.get(broadcast);
    this.send(playing === undefined ? { type: "subscribe", broadcast } : { type: "subscribe", broadcast, playing });
  }

  /** What cannot be sent now is sent with the next hello. */
  private send(message: ClientMessage): void {
    this.open?.send(encodeClientMessage(message));
  }
}
