//! Manifests and media playlists, rendered and parsed. Pure.
