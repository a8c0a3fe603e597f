// Broadcasts and the node in words; the same as the node writes into its pages (src/view.rs, src/node_state.rs).

import type { Broadcast, NodeState } from "./protocol";
import type { Texts } from "./texts";

export function heading(broadcast: Broadcast, t: Texts): string {
  return broadcast.title.trim() === "" ? t.get("untitled") : broadcast.title;
}

/** Enough of the publisher's feed to tell it from others. */
export function shortPublisher(broadcast: Broadcast): string {
  return `${broadcast.publisher.slice(0, 9)}…`;
}

/** `2026-11-21 14:03 UTC`, by the publisher's clock. */
export function started(broadcast: Broadcast, t: Texts): string {
  const date = new Date(broadcast.started_at);
  if (Number.isNaN(date.getTime())) return t.get("unknown-time");
  return `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** What a viewer can expect of the node. */
export function nodeLine(state: NodeState, t: Texts): string {
  const mesh = state.peers === 0 ? t.get("node-alone") : t.get("node-connected", { peers: state.peers });
  return state.storage.disk_full ? `${mesh} ${t.get("node-disk-full")}` : mesh;
}
