//! Serves a folder of fragmented MP4 as a live broadcast, for work on the player without a mesh:
//!
//! ```text
//! ffmpeg -re -f lavfi -i testsrc2 … -f hls -hls_segment_type fmp4 -hls_time 2 -hls_list_size 0 \
//!   -hls_fmp4_init_filename init-0.mp4 -hls_segment_filename 'FOLDER/%d.m4s' FOLDER/index.m3u8
//! cargo run -p player-web --example replay -- FOLDER [PORT [SEGMENTS]]
//! ```
//!
//! With SEGMENTS it begins with so many listed, as a node does that was restarted. Lines on standard input change
//! what happens: `hold` (the publisher is away), `go`, `end`. The address is printed.

#![allow(clippy::unwrap_used, reason = "the locks of the fake node are never poisoned")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use stream_model::{BroadcastState, DirectoryChange, MediaSequence, PlaylistChange};
use support::{FakeNode, broadcast_id, listing};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

/// Segments that the live playlist lists.
const WINDOW: usize = 6;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "an example tells its user where to look")]
async fn main() {
    let folder = std::env::args().nth(1).expect("usage: replay FOLDER");
    let read = |name: &str| std::fs::read(format!("{folder}/{name}"));
    let playlist = String::from_utf8(read("index.m3u8").expect("an index.m3u8 in the folder")).expect("text");
    let durations: Vec<f64> =
        playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.trim_end_matches(',').parse().ok()).collect();
    let target = durations.iter().fold(1.0_f64, |most, duration| most.max(duration.round()));

    let node = FakeNode::new();
    let id = broadcast_id(7);
    let mut entry = listing(7, "A replayed <b>broadcast</b>", BroadcastState::Live);
    entry.target_duration = Duration::from_secs_f64(target);
    entry.description = "Segments of a folder, one after the other.".to_owned();
    node.listings.lock().unwrap().push(entry);
    node.listings.lock().unwrap().push(listing(8, "Yesterday's meeting", BroadcastState::Ended));
    let init = node.add_file(read("init-0.mp4").expect("an init-0.mp4 in the folder"));
    node.inits.lock().unwrap().insert((id, 0), init);

    let shutdown = CancellationToken::new();
    let port: u16 = std::env::args().nth(2).map_or(0, |port| port.parse().expect("a port"));
    let listener = listener::Listener::bind((std::net::Ipv4Addr::LOCALHOST, port).into(), &[]).expect("a free port");
    println!("http://{}/watch/{}", listener.local_addr(), id.slug());
    let config = player_web::Config::default();
    let serving = tokio::spawn({
        let (router, shutdown) = (player_web::app(node.ports(), &config), shutdown.clone());
        async move { player_web::serve(listener, router, player_web::Places::new(&config), shutdown).await }
    });

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (mut held, mut ended, mut number) = (false, false, 0);
    let already: usize = std::env::args().nth(3).map_or(0, |count| count.parse().expect("a number of segments"));
    while !ended {
        let pause = if number < already { 0.0 } else { durations.get(number).copied().unwrap_or(1.0) };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs_f64(pause)), if !held && number < durations.len() => {
                let segment = node.add_file(read(&format!("{number}.m4s")).expect("the segment"));
                node.segments.lock().unwrap().insert((id, number as u64), segment);
                number += 1;
            }
            line = lines.next_line() => match line.ok().flatten().as_deref() {
                Some("hold") => { held = true; continue }
                Some("go") => { held = false; continue }
                Some("end") | None => ended = true,
                Some(_) => continue,
            },
        }
        let first = number.saturating_sub(WINDOW);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init-0.mp4\"\n"
        );
        for (number, duration) in durations.iter().enumerate().take(number).skip(first) {
            text += &format!("#EXTINF:{duration:.6},\n{number}.m4s\n");
        }
        if ended {
            text += "#EXT-X-ENDLIST\n";
            node.listings.lock().unwrap()[0].state = BroadcastState::Ended;
            let _ = node.directory_changes.send(DirectoryChange::Broadcast(id));
        }
        node.live.lock().unwrap().insert(id, text);
        let media_sequence = number.checked_sub(1).map(|number| MediaSequence(number as u64));
        let _ = node.playlist_changes.send(PlaylistChange { broadcast: id, media_sequence, ended });
    }
    while let Ok(Some(_)) = lines.next_line().await {}
    shutdown.cancel();
    let _ = serving.await;
}
