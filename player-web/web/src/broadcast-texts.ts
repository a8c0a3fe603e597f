// Broadcasts in words; the same as the node writes into its pages (src/view.rs).

import type { Broadcast } from "./protocol";
import type { Texts } from "./texts";

export function heading(broadcast: Broadcast, t: Texts): string {
  return broadcast.title.trim() === "" ? t.get("untitled") : broadcast.title;
}
