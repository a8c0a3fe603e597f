// What each error that hls.js knows means for the player. Pure.

import { type ErrorData, ErrorDetails } from "hls.js";
import type { Fault } from "./recovery";

const { NETWORK, MEDIA, OTHER, UNPLAYABLE } = { NETWORK: "network", MEDIA: "media", OTHER: "other", UNPLAYABLE: "unplayable" } as const;

/** The type has it that none is forgotten when hls.js learns another. */
const FAULTS: Record<ErrorDetails, Fault> = {
  // Nothing is encrypted here, and nothing of ours has keys.
  [ErrorDetails.KEY_SYSTEM_NO_KEYS]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_NO_ACCESS]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_NO_SESSION]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_NO_CONFIGURED_LICENSE]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_LICENSE_REQUEST_FAILED]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_SERVER_CERTIFICATE_REQUEST_FAILED]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_SERVER_CERTIFICATE_UPDATE_FAILED]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_SESSION_UPDATE_FAILED]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_STATUS_OUTPUT_RESTRICTED]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_STATUS_INTERNAL_ERROR]: UNPLAYABLE,
  [ErrorDetails.KEY_SYSTEM_DESTROY_MEDIA_KEYS_ERROR]: OTHER,
  [ErrorDetails.KEY_SYSTEM_DESTROY_CLOSE_SESSION_ERROR]: OTHER,
  [ErrorDetails.KEY_SYSTEM_DESTROY_REMOVE_SESSION_ERROR]: OTHER,
  [ErrorDetails.MANIFEST_LOAD_ERROR]: NETWORK,
  [ErrorDetails.MANIFEST_LOAD_TIMEOUT]: NETWORK,
  // A captive portal's page in the place of a playlist: a new player asks anew.
  [ErrorDetails.MANIFEST_PARSING_ERROR]: OTHER,
  [ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR]: UNPLAYABLE,
  [ErrorDetails.LEVEL_EMPTY_ERROR]: NETWORK,
  [ErrorDetails.PLAYLIST_UNCHANGED_ERROR]: NETWORK,
  [ErrorDetails.LEVEL_LOAD_ERROR]: NETWORK,
  [ErrorDetails.LEVEL_LOAD_TIMEOUT]: NETWORK,
  // A playlist that contradicts the one before it: what was known of it is dropped.
  [ErrorDetails.LEVEL_PARSING_ERROR]: OTHER,
  [ErrorDetails.LEVEL_SWITCH_ERROR]: OTHER,
  [ErrorDetails.AUDIO_TRACK_LOAD_ERROR]: NETWORK,
  [ErrorDetails.AUDIO_TRACK_LOAD_TIMEOUT]: NETWORK,
  [ErrorDetails.SUBTITLE_LOAD_ERROR]: NETWORK,
  [ErrorDetails.SUBTITLE_TRACK_LOAD_TIMEOUT]: NETWORK,
  [ErrorDetails.FRAG_LOAD_ERROR]: NETWORK,
  [ErrorDetails.FRAG_LOAD_TIMEOUT]: NETWORK,
  [ErrorDetails.FRAG_DECRYPT_ERROR]: MEDIA,
  [ErrorDetails.FRAG_PARSING_ERROR]: MEDIA,
  [ErrorDetails.FRAG_GAP]: NETWORK,
  [ErrorDetails.REMUX_ALLOC_ERROR]: MEDIA,
  [ErrorDetails.KEY_LOAD_ERROR]: NETWORK,
  [ErrorDetails.KEY_LOAD_TIMEOUT]: NETWORK,
  [ErrorDetails.BUFFER_ADD_CODEC_ERROR]: UNPLAYABLE,
  [ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR]: UNPLAYABLE,
  [ErrorDetails.BUFFER_APPEND_ERROR]: MEDIA,
  [ErrorDetails.BUFFER_APPENDING_ERROR]: MEDIA,
  [ErrorDetails.BUFFER_APPEND_NO_PROGRESS]: MEDIA,
  [ErrorDetails.BUFFER_STALLED_ERROR]: MEDIA,
  [ErrorDetails.BUFFER_FULL_ERROR]: MEDIA,
  [ErrorDetails.BUFFER_SEEK_OVER_HOLE]: MEDIA,
  [ErrorDetails.BUFFER_NUDGE_ON_STALL]: MEDIA,
  [ErrorDetails.ASSET_LIST_LOAD_ERROR]: NETWORK,
  [ErrorDetails.ASSET_LIST_LOAD_TIMEOUT]: NETWORK,
  [ErrorDetails.ASSET_LIST_PARSING_ERROR]: OTHER,
  [ErrorDetails.INTERSTITIAL_ASSET_ITEM_ERROR]: OTHER,
  [ErrorDetails.INTERNAL_EXCEPTION]: OTHER,
  [ErrorDetails.INTERNAL_ABORTED]: OTHER,
  [ErrorDetails.ATTACH_MEDIA_ERROR]: OTHER,
  [ErrorDetails.MEDIA_SOURCE_REQUIRES_RESET]: MEDIA,
  [ErrorDetails.UNKNOWN]: OTHER,
};

/** What a fatal error means; of one that is not known here, a new player. */
export function fault({ details }: Pick<ErrorData, "details">): Fault {
  return Object.prototype.hasOwnProperty.call(FAULTS, details) ? FAULTS[details] : OTHER;
}
