//! The live playlists that this node serves.
