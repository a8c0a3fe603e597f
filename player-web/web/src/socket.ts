// The WebSocket to the node: reconnects for ever, subscribes again, and tells when it has done so, for changes in
// between are lost. Everything works without it, only later.

import { Backoff } from "./backoff";
import { type Broadcast, type NodeState, VERSION, encodeClientMessage, parseServerMessage } from "./protocol";

export interface SocketEvents {
  /** Connected, for the first time or again: what was pushed in between is not known. */
  connected?(): void;
  /** Lost, or never reached; tried again by itself. */
  disconnected?(): void;
  directory?(broadcasts: Broadcast[]): void;
  /** The node, at first and when it has changed. */
  node?(state: NodeState): void;
  /** The live playlist of the broadcast subscribed to has changed. */
  playlist?(): void;
}

/** The node pings every 20 s but a page cannot see that; a try that hangs is given up after this long. */
const CONNECT_TIMEOUT_MS = 10_000;

export class Socket {
  private readonly backoff = new Backoff(500, 15_000);

  constructor(
    private readonly events: SocketEvents,
    private readonly subscription?: string,
  ) {
    this.connect();
  }

  private connect(): void {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    const timeout = setTimeout(() => socket.close(), CONNECT_TIMEOUT_MS);
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.receive(socket, data);
    };
    socket.onclose = () => {
      clearTimeout(timeout);
      this.events.disconnected?.();
      setTimeout(() => this.connect(), this.backoff.next());
    };
    socket.onopen = () => clearTimeout(timeout);
  }

  private receive(socket: WebSocket, text: string): void {
    const message = parseServerMessage(text);
    switch (message?.type) {
      case "hello":
        // A node of a later version is not understood; the page goes on without pushes.
        if (message.version !== VERSION) return;
        this.backoff.reset();
        if (this.subscription) {
          socket.send(encodeClientMessage({ type: "subscribe", broadcast: this.subscription }));
        }
        this.events.connected?.();
        return;
      case "directory":
        this.events.directory?.(message.broadcasts);
        return;
      case "node":
        this.events.node?.(message);
        return;
      case "playlist":
        if (message.broadcast === this.subscription) this.events.playlist?.();
        return;
      case "error":
        console.warn("the node did not accept a message:", message.message);
        return;
      default:
        return;
    }
  }
}
