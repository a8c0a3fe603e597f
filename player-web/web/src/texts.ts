// What scripts show, in the page's language: Fluent messages of player-web/texts/*.ftl.
//
//   const t = await Texts.load();              // once, in a page's script; of a foreign page: load("es", nodeOrigin)
//   element.textContent = t.get("state-live"); // text, never HTML
//   t.get("node-connected", { peers: 3 });
//   new Texts("en", "key = Text");             // in a test; or readFileSync("../texts/en.ftl", "utf8")
//
// The build hands out only the messages whose keys stand in quotes in some script, so a key is always written out
// behind `t.get(`; a test looks for each in the catalogues. What a text may need is passed in as a `Texts` named t.

import { FluentBundle, FluentResource, type FluentVariable } from "@fluent/bundle";
import { Backoff } from "./backoff";

/** The path of each language's texts on the node; its name carries a hash. Put in by the build. */
declare const TEXTS_ADDRESSES: Record<string, string>;

/** What would end the isolation that Fluent puts round a value, and reorder what stands beside it. */
const BIDI_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;

export class Texts {
  private readonly bundle: FluentBundle;

  constructor(
    readonly language: string,
    source: string,
  ) {
    this.bundle = new FluentBundle(language);
    this.bundle.addResource(new FluentResource(source));
  }

  /**
   * Loads the texts of the page's language, or of another, from the page's node or another origin. Tries until it has
   * them: a node that does not answer shows nothing else either.
   */
  static async load(language = document.documentElement.lang, origin = ""): Promise<Texts> {
    const spoken = language.toLowerCase().split("-")[0] ?? "";
    const known = spoken in TEXTS_ADDRESSES ? spoken : "en";
    const backoff = new Backoff(500, 15_000);
    for (;;) {
      // Asked for as the page preloads it, credentials and all, so that it comes once.
      const response = await fetch(`${origin}${TEXTS_ADDRESSES[known]}`).catch(() => undefined);
      const text = response?.ok ? await response.text().catch(() => undefined) : undefined;
      if (text !== undefined) return new Texts(known, text);
      await new Promise((resolve) => setTimeout(resolve, backoff.next()));
    }
  }

  /** A text with its values. */
  get(key: string, values: Record<string, string | number> = {}): string {
    const pattern = this.bundle.getMessage(key)?.value;
    if (!pattern) return key;
    const given: Record<string, FluentVariable> = {};
    for (const [name, value] of Object.entries(values)) {
      given[name] = typeof value === "string" ? value.replace(BIDI_CONTROLS, "") : value;
    }
    // Problems are those of a translation: what can be shown is.
    return this.bundle.formatPattern(pattern, given, []);
  }
}
