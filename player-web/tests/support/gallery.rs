//! A node on which there is something of everything, for looking at pages: in several scripts, long, empty and hostile.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use stream_model::*;

use super::*;

/// Broadcasts of the gallery, by the byte that their ids are made of.
pub(crate) const LIVE: u8 = 1;
/// Live, and nothing of it has come yet.
pub(crate) const STARTING: u8 = 2;
/// Over, with an archive that others hold too.
pub(crate) const ENDED: u8 = 3;

/// Its first post, which others answered.
pub(crate) const POST: u8 = 41;

/// Seconds of the film, and of each of its segments.
const FILM_SECONDS: u64 = 12;
const SEGMENT_SECONDS: u64 = 2;

/// Pictures of each segment.
const TILES: u64 = 5;

/// What is filmed.
const SCENE: &str = "testsrc2=size=640x360:rate=25";

/// When the newest of it happened.
const NOW: u64 = 1_795_269_780_000;
const HOUR: u64 = 3_600_000;

const LOREM: &str = "A neighbourhood meeting about the new relay on the water tower: who climbs, who pays for the battery, and \
    what the school sees from there. Everybody may ask; questions are read out from the comments.";

/// The node with everything.
pub(crate) fn gallery() -> Arc<FakeNode> {
    let node = FakeNode::new();
    broadcasts(&node);
    archives(&node);
    posts(&node);
    neighbours(&node);
    *node.mesh.lock().unwrap() = mesh();
    node
}

/// What its owner has set and done.
pub(crate) fn owner(node: &FakeNode) -> Arc<FakeOwner> {
    let owner = FakeOwner::new();
    let hall: StreamName = "hall".parse().unwrap();
    node.keys.lock().unwrap().extend([hall.clone(), "stage-2".parse().unwrap()]);
    node.relations.lock().unwrap().extend([
        (FeedId([10; 32]), Relation::Following),
        (FeedId([11; 32]), Relation::Blocking),
        (FeedId([12; 32]), Relation::Neutral),
    ]);
    owner.refused.lock().unwrap().insert(hall);
    for byte in [44, 4, 99] {
        let hidden = Hidden { message: MessageKey([byte; 32]), since: WallTime(NOW) };
        owner.hidden.lock().unwrap().push(hidden);
    }
    let kept = |byte: u8, policy| KeptBroadcast { broadcast: broadcast_id(byte), policy, dropped_in: None };
    let month = Duration::from_secs(30 * 86_400);
    owner.policies.lock().unwrap().extend([kept(ENDED, KeepPolicy::Keep), kept(4, KeepPolicy::DropAfter(month))]);
    let waiting = Some("nobody delivers what is missing: not complete within 60s".to_owned());
    let waits_for = Some(MirrorNeed::Segments);
    let progress =
        MirrorProgress { segments: 12, total_segments: 480, waiting, waits_for, ..MirrorProgress::default() };
    owner.mirrors.lock().unwrap().push(MirrorEntry { broadcast: broadcast_id(5), asked: true, progress });
    owner.settings.lock().unwrap()[2].next = Some("all".to_owned());
    owner
}

fn broadcasts(node: &FakeNode) {
    let mut listings = node.listings.lock().unwrap();
    let mut add = |byte: u8, title: &str, state, hours_ago: u64| {
        let mut entry = listing(byte, title, state);
        entry.started_at = WallTime(NOW - hours_ago * HOUR);
        entry.description = LOREM.to_owned();
        entry.target_duration = Duration::from_secs(SEGMENT_SECONDS);
        listings.push(entry);
    };
    add(LIVE, "Asamblea del barrio: la torre de agua", BroadcastState::Live, 0);
    add(STARTING, "اجتماع الحي: برج الماء الجديد", BroadcastState::Live, 0);
    add(ENDED, "Town hall, the whole evening", BroadcastState::Ended, 5);
    add(4, "<script>alert(1)</script><b onmouseover=alert(2)>bold</b> & \"quoted\"", BroadcastState::Ended, 26);
    add(5, &"Donaudampfschifffahrtsgesellschaftskapitänsmütze".repeat(4), BroadcastState::Ended, 27);
    add(6, "Rádio comunitária: música da tarde 🎶", BroadcastState::Ended, 50);
    add(7, "Taken back by its author", BroadcastState::Ended, 51);
    listings[5].tracks.video = false;
    listings[5].description = String::new();
    listings[2].own = true;
    drop(listings);
    let planned = |byte: u8, title: &str, hours: u64| Scheduled {
        id: ScheduleId(MessageKey([byte; 32])),
        author: FeedId([byte; 32]),
        own: byte == 61,
        title: title.to_owned(),
        description: LOREM.to_owned(),
        starts_at: WallTime(NOW + hours * HOUR),
    };
    *node.upcoming.lock().unwrap() =
        vec![planned(61, "Cinéma sur la place", 3), planned(62, "ورشة إصلاح أجهزة الراديو", 30)];
}

fn archives(node: &FakeNode) {
    let broadcast = broadcast_id(ENDED);
    let manifest = node.add_directory(&[("index.m3u8", node.add_file("#EXTM3U\n"))]);
    let peer = listing(9, "", BroadcastState::Ended).peer;
    let hour = (NOW - 5 * HOUR) / HOUR;
    let part = |kind, period, first, last, minutes: u64| ArchiveManifest {
        broadcast,
        kind,
        period,
        first_media_sequence: MediaSequence(first),
        last_media_sequence: MediaSequence(last),
        manifest,
        duration: Duration::from_secs(minutes * 60),
        bytes: minutes * 22_000_000,
    };
    let mut archives = node.archives.lock().unwrap();
    archives.push(part(ArchiveKind::Hour, Some(Period::Hour(hour)), 0, 239, 60));
    archives.push(part(ArchiveKind::Hour, Some(Period::Hour(hour + 1)), 240, 479, 60));
    archives.push(part(ArchiveKind::Day, Some(Period::Hour(hour).day()), 0, 479, 120));
    archives.push(part(ArchiveKind::Broadcast, None, 0, 479, 120));
    drop(archives);
    let mirroring = |byte: u8| Mirroring { node: FeedId([byte; 32]), peer: peer.clone(), manifest };
    let republication = Republication {
        node: FeedId([12; 32]),
        peer: peer.clone(),
        manifest,
        first_media_sequence: MediaSequence(0),
        last_media_sequence: MediaSequence(479),
        credit: "Filmed by Ana <ana@example> for «الحي»".to_owned(),
    };
    let held = Standing {
        mirrors: vec![mirroring(10), mirroring(11)],
        republications: vec![republication],
        ..Standing::default()
    };
    let withdrawn = Standing { withdrawn: Some("Somebody did not want to be seen.".to_owned()), ..Standing::default() };
    node.standings.lock().unwrap().extend([(broadcast, held), (broadcast_id(7), withdrawn)]);
}

fn posts(node: &FakeNode) {
    let written = |byte: u8, name: Option<&str>, text: &str, root| {
        let mut written = post(byte, text, root);
        written.author.name = name.map(str::to_owned);
        written.broadcast = root.filter(|root: &MessageKey| *root != MessageKey([POST; 32])).map(BroadcastId);
        written.written_at = WallTime(NOW - u64::from(byte) * 60_000);
        written
    };
    let [live, ended, thread] = [LIVE, ENDED, POST].map(|byte| Some(MessageKey([byte; 32])));
    let link = format!("We are on the air: [watch]({})", MessageKey([LIVE; 32]));
    let long = "long".repeat(60);
    let hostile = "<img src=x onerror=alert(1)> [a](javascript:alert(2)) `code` **bold**";
    let list = "# Battery\n\n1. Who brings it?\n2. Who pays?\n\n> Last time the *co-op* did.\n\n```\nmeshstream status --json\n```";
    let mut first = written(POST, Some("Ann"), list, None);
    first.replies = 2;
    first.votes = 7;
    let mut told = written(52, Some("Escuela"), "Live: **Assembly of the neighbourhood**", None);
    told.broadcast = Some(broadcast_id(LIVE));
    node.posts.lock().unwrap().extend([
        first,
        written(42, Some("ليلى"), "من يتسلق البرج يوم السبت؟ أحضروا الحبال.", None),
        written(43, None, &link, None),
        written(44, Some("<b>Mallory</b>"), hostile, None),
        written(45, Some("Bob of the very long name who lives behind the mill"), &long, None),
        written(46, Some("ليلى"), "أنا أحضرها.", thread),
        written(47, Some("José"), "Nosotros pagamos la mitad.", thread),
        written(48, Some("José"), "¡Se oye muy bien desde la escuela!", live),
        written(49, Some("ليلى"), "الصوت ممتاز", live),
        written(50, Some("Ann"), hostile, live),
        written(51, Some("Ann"), "Thanks for keeping this.", ended),
        told,
    ]);
}

fn neighbours(node: &FakeNode) {
    let identity = |byte: u8, name: &str| NodeIdentity {
        name: name.to_owned(),
        feed: FeedId([byte; 32]),
        peer: listing(byte, "", BroadcastState::Live).peer,
        version: "0.1.0".to_owned(),
    };
    let names = ["Escuela", "برج الماء", "co-op-roof-with-a-long-name.north", "<i>mill</i>"];
    let mut nodes = node.nodes.lock().unwrap();
    nodes.extend((10..).zip(names).map(|(byte, name)| KnownNode {
        identity: identity(byte, name),
        record: None,
        age_seconds: Some(u64::from(byte) * 7),
        hops: Some(u32::from(byte) - 9),
    }));
    drop(nodes);
    let peer = |byte: u8, name: &str, overlay: &str, state, rtt_ms| PeerReport {
        feed: Some(FeedId([byte; 32])),
        peer: Some(listing(byte, "", BroadcastState::Live).peer),
        name: name.to_owned(),
        addresses: vec![format!("[fc00:1234:5678:9abc:def0:1234:5678:{byte}]:8080")],
        overlay: overlay.to_owned(),
        state,
        rtt_ms,
        last_error: None,
        link: LinkReport { loss_percent: Some(byte), received_kbps: 3200, sent_kbps: 800, last_seen_s: Some(3) },
    };
    *node.peers.lock().unwrap() = vec![
        peer(10, names[0], "lan", PeerState::Connected, Some(3)),
        peer(11, names[1], "yggdrasil", PeerState::Connected, Some(48)),
        peer(12, names[2], "cjdns", PeerState::Connected, Some(212)),
        PeerReport {
            last_error: Some("no route to host".to_owned()),
            ..peer(13, names[3], "lan", PeerState::Connecting, None)
        },
    ];
}

/// Has ffmpeg make a short film in a folder, and shows it as the one live broadcast with a picture and as the one that is over.
pub(crate) fn show_film(node: &FakeNode, folder: &Path) {
    let sound = ["-f", "lavfi", "-i", "sine=frequency=440", "-t", &FILM_SECONDS.to_string()];
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac"];
    let cut =
        ["-f", "hls", "-hls_segment_type", "fmp4", "-hls_list_size", "0", "-hls_time", &SEGMENT_SECONDS.to_string()];
    let named = ["-hls_fmp4_init_filename", "init-0.mp4", "-hls_segment_filename", "%d.m4s", "index.m3u8"];
    film(folder, &[&sound[..], &encoded, &cut, &named].concat());
    let read = |name: &str| std::fs::read(folder.join(name)).expect("ffmpeg wrote it");
    let count = FILM_SECONDS / SEGMENT_SECONDS;
    let init = node.add_file(read("init-0.mp4"));
    let segments: Vec<Cid> = (0..count).map(|number| node.add_file(read(&format!("{number}.m4s")))).collect();
    let mut playlist = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init-0.mp4\"\n"
    );
    for number in 0..count {
        playlist += &format!("#EXTINF:{SEGMENT_SECONDS}.000,\n{number}.m4s\n");
    }
    for byte in [LIVE, ENDED] {
        let id = broadcast_id(byte);
        node.inits.lock().unwrap().insert((id, 0), init);
        for (number, segment) in (0..).zip(&segments) {
            node.segments.lock().unwrap().insert((id, number), *segment);
            let announced = MediaSegment {
                media_sequence: MediaSequence(number),
                discontinuity_sequence: DiscontinuitySequence(0),
                duration: Duration::from_secs(SEGMENT_SECONDS),
                program_date_time: Some(WallTime(NOW + number * SEGMENT_SECONDS * 1000)),
                independent: true,
                segment: *segment,
                init,
            };
            node.announced_segments.lock().unwrap().push((id, announced));
        }
        let ended = format!("{playlist}#EXT-X-ENDLIST\n");
        node.live.lock().unwrap().insert(id, if byte == LIVE { playlist.clone() } else { ended.clone() });
        node.whole.lock().unwrap().insert(id, ended);
    }
    show_pictures(node, folder);
}

/// Has ffmpeg write something of the scene.
fn film(folder: &Path, arguments: &[&str]) {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", SCENE])
        .args(arguments)
        .current_dir(folder)
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "ffmpeg is missing, or makes no film: run 'make test-deps' first"
    );
}

/// Pictures to look through the film with, five of each segment, and its poster.
fn show_pictures(node: &FakeNode, folder: &Path) {
    let count = FILM_SECONDS / SEGMENT_SECONDS;
    film(folder, &["-frames:v", "1", "poster.jpg"]);
    let tiles = format!("fps={TILES}/{SEGMENT_SECONDS},scale=160:90,tile={TILES}x1");
    film(folder, &["-vf", &tiles, "-frames:v", &count.to_string(), "-start_number", "0", "%d.jpg"]);
    let file = |name: &str| node.add_file(std::fs::read(folder.join(name)).expect("ffmpeg wrote it"));
    let poster = file("poster.jpg");
    for (byte, of, state) in [(81, LIVE, BroadcastState::Live), (83, ENDED, BroadcastState::Ended)] {
        let mut thumbnails = pictures(byte, of, state);
        thumbnails.title = "Pictures of another one".to_owned();
        thumbnails.media_sequence = Some(MediaSequence(count - 1));
        let (id, slug) = (thumbnails.id, thumbnails.id.slug());
        node.listings.lock().unwrap().push(thumbnails);
        node.inits.lock().unwrap().insert((id, 0), poster);
        let mut cues = "WEBVTT\n".to_owned();
        for number in 0..count {
            node.segments.lock().unwrap().insert((id, number), file(&format!("{number}.jpg")));
            for tile in 0..TILES {
                let at = |tile| (number * SEGMENT_SECONDS * 1000) + tile * SEGMENT_SECONDS * 1000 / TILES;
                let time = |millis: u64| format!("00:00:{:02}.{:03}", millis / 1000, millis % 1000);
                let (from, to, x) = (time(at(tile)), time(at(tile + 1)), tile * 160);
                cues += &format!("\n{from} --> {to}\n../{slug}/{number}.jpg#xywh={x},0,160,90\n");
            }
        }
        node.cues.lock().unwrap().insert(broadcast_id(of), cues);
    }
}
