// The parser of hls.js for multivariant playlists, which the tests' build takes from its source.
declare module "hls.js/m3u8-parser" {
  import type { LevelParsed } from "hls.js";
  export default class M3U8Parser {
    static parseMasterPlaylist(text: string, url: string): { levels: LevelParsed[] };
  }
}
