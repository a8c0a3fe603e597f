// Texts of a broadcast as the pages show them; the same as the node writes into them (src/view.rs).

import type { Broadcast } from "./protocol";

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
