//! How fast media is cut, and playlists are written.

fn main() {}
