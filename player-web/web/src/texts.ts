// Texts as the pages show them; the same as the node writes into them (src/view.rs, src/node_state.rs).

import type { Broadcast, NodeState } from "./protocol";

export function heading(broadcast: Broadcast): string {
  return broadcast.title.trim() === "" ? "Untitled broadcast" : broadcast.title;
}

/** Enough of the publisher's feed to tell it from others. */
export function shortPublisher(broadcast: Broadcast): string {
  return `${broadcast.publisher.slice(0, 9)}…`;
}

/** `2026-11-21 14:03 UTC`, by the publisher's clock. */
export function started(broadcast: Broadcast): string {
  const date = new Date(broadcast.started_at);
  if (Number.isNaN(date.getTime())) return "an unknown time";
  return `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** What a viewer can expect of the node. */
export function nodeLine(state: NodeState): string {
  const disk = state.storage.disk_full ? " Its disk is full: it keeps nothing new." : "";
  if (state.peers === 0) return `No other node in reach: showing what this node holds.${disk}`;
  return `Connected to ${state.peers} other ${state.peers === 1 ? "node" : "nodes"}.${disk}`;
}
