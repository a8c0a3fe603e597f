// Which key does what. Pure.

export type Command =
  | { do: "toggle" | "mute" | "captions" | "fullscreen" | "picture-in-picture" | "help" | "live" | "beginning" }
  | { do: "seek"; by: number }
  | { do: "volume"; by: number };

/** As much of a keyboard event as is looked at. */
export interface Press {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** Seconds of a short jump, and of a long one. */
const SHORT_S = 5;
const LONG_S = 10;
const VOLUME_STEP = 0.1;

/** What a key asks for; undefined where it is none of the player's. */
export function command({ key, ctrlKey, metaKey, altKey }: Press): Command | undefined {
  // With these it belongs to the browser or the system.
  if (ctrlKey || metaKey || altKey) return undefined;
  switch (key.length === 1 ? key.toLowerCase() : key) {
    case " ":
    case "k":
      return { do: "toggle" };
    case "j":
      return { do: "seek", by: -LONG_S };
    case "l":
      return { do: "seek", by: LONG_S };
    case "ArrowLeft":
      return { do: "seek", by: -SHORT_S };
    case "ArrowRight":
      return { do: "seek", by: SHORT_S };
    case "ArrowUp":
      return { do: "volume", by: VOLUME_STEP };
    case "ArrowDown":
      return { do: "volume", by: -VOLUME_STEP };
    case "Home":
      return { do: "beginning" };
    case "End":
      return { do: "live" };
    case "m":
      return { do: "mute" };
    case "f":
      return { do: "fullscreen" };
    case "p":
      return { do: "picture-in-picture" };
    case "c":
      return { do: "captions" };
    case "?":
      return { do: "help" };
    default:
      return undefined;
  }
}

/** Whether a key pressed on an element belongs to that element, and not to the player around it. */
export function ownsKey(tag: string, key: string): boolean {
  if (["INPUT", "TEXTAREA", "SELECT", "OPTION"].includes(tag)) return true;
  return ["BUTTON", "A", "SUMMARY"].includes(tag) && (key === " " || key === "Enter");
}
