//! What each part of a node is told: its own configuration, made of the node's.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::{Context as _, bail};
use listener::Device;
use node_router::{MdnsConfig, MeshConfig, PeerAddress, UploadLimits};
use ssb_announcer::address::{Invite, PeerAddresses};
use ssb_announcer::identity::Machine;
use stream_model::FeedId;
use streamer::camera::WorkerCommand;
use streamer::ingest::AddressRange;
use streamer::renditions::{Ladder, Rung, RungKind};
use streamer::segmenter;

use crate::cli::rendition;
use crate::community::Community;
use crate::config::{Config, Rate, Rendition, Transcode};
use crate::data_dir::{feed_database, secret_file};
use crate::in_effect::StartPosts;
use crate::local_name::label;
use crate::overlays::overlays;
use crate::picture;
use crate::web::certificate;

/// What only the parts can check.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    allowed(config)?;
    mesh_peers(config)?;
    overlays(&config.mesh)?;
    ssb_peers(config)?;
    certificate(config)?;
    ladder(config)?;
    config.node.image.as_deref().map(picture::load).transpose()?;
    Ok(())
}

pub(crate) fn allowed(config: &Config) -> anyhow::Result<Vec<AddressRange>> {
    let parse = |text: &String| text.parse().with_context(|| format!("configuration key ingest.allow: '{text}'"));
    config.ingest.allow.iter().map(parse).collect()
}

fn mesh_peers(config: &Config) -> anyhow::Result<Vec<PeerAddress>> {
    let parse = |text: &String| text.parse().with_context(|| format!("configuration key mesh.peers: '{text}'"));
    config.mesh.peers.iter().map(parse).collect()
}

pub(crate) fn mesh_config(
    config: &Config,
    community: &Community,
    feed: FeedId,
    mdns: Option<MdnsConfig>,
) -> anyhow::Result<MeshConfig> {
    let (peers, overlays) = (mesh_peers(config)?, overlays(&config.mesh)?);
    Ok(MeshConfig { peers, feed, community: community.name(), overlays, mdns })
}

/// How nodes are found by mDNS; `None` where they are not to be, or where others could not ask this one.
pub(crate) fn mdns(config: &Config, web: SocketAddr) -> Option<MdnsConfig> {
    let interfaces = discovery_interfaces(config, &config.web.devices)?;
    let (name, web_port) = (config.node.name.clone(), web.port());
    let label = label(&config.node.name);
    (!web.ip().is_loopback()).then_some(MdnsConfig { interfaces, name, web_port, label })
}

pub(crate) fn ssb_peers(config: &Config) -> anyhow::Result<Vec<PeerAddresses>> {
    let parse = |(index, text): (usize, &String)| {
        // An invite is a secret: it is not repeated.
        let place = || format!("configuration key ssb.peers, entry {}", index + 1);
        let invite = text.parse().map(|invite: Invite| invite.address().clone().into());
        let peer: PeerAddresses = invite.or_else(|_| text.parse()).with_context(place)?;
        if peer.lacks_zone() {
            bail!("{}: a link-local address needs its interface, such as net:fe80::1%eth0:8008~shs:KEY", place());
        }
        Ok(peer)
    };
    config.ssb.peers.iter().enumerate().map(parse).collect()
}

pub(crate) fn router_config(config: &Config, community: &Community, path: &Path) -> node_router::Config {
    node_router::Config {
        data_dir: path.to_owned(),
        ipfs_listen: config.ipfs.listen.clone(),
        ipfs_devices: config.ipfs.devices.iter().map(ToString::to_string).collect(),
        quota: config.storage.quota.as_u64(),
        max_files: config.storage.max_files,
        reserve: config.storage.reserve.as_u64(),
        upload: UploadLimits {
            total: config.mesh.max_upload.map(Rate::bytes_per_second),
            per_peer: config.mesh.max_upload_per_peer.map(Rate::bytes_per_second),
        },
        swarm_key: community.swarm_key(),
    }
}

/// How SSB peers are found on a LAN; `None` where they are not to be.
pub(crate) fn lan_discovery(config: &Config, community: &Community) -> Option<ssb_announcer::discovery::Config> {
    let interfaces = discovery_interfaces(config, &config.ssb.devices)?;
    // What is said in the clear is for everybody, as the open community is.
    let plain = *community == Community::Open;
    Some(ssb_announcer::discovery::Config { interfaces, plain, ..Default::default() })
}

/// On which interfaces peers are looked for that connect back to a listener on these devices; empty stands for all, `None` for
/// nowhere.
fn discovery_interfaces(config: &Config, devices: &[Device]) -> Option<Vec<String>> {
    let confined = || devices.iter().map(ToString::to_string);
    // Peers that are found on other devices could not connect back.
    let interfaces: Vec<String> = match config.mesh.interfaces.as_slice() {
        [] => confined().collect(),
        named if devices.is_empty() => named.to_vec(),
        named => confined().filter(|device| named.contains(device)).collect(),
    };
    let nowhere = interfaces.is_empty() && !devices.is_empty();
    (config.mesh.lan_discovery && !nowhere).then_some(interfaces)
}

/// What is kept free for this node's own feed, as a part of `storage.reserve`: the rest of that is for feeds of others, which
/// tell what there is long after there is no room for segments.
pub(crate) const FEEDS_OF_RESERVE: u64 = 8;

pub(crate) fn ssb_config(
    config: &Config,
    community: &Community,
    path: &Path,
    web: SocketAddr,
) -> anyhow::Result<ssb_announcer::Config> {
    Ok(ssb_announcer::Config {
        secret: secret_file(path),
        machine: Machine::this(),
        database: feed_database(path),
        gossip: ssb_announcer::gossip::Config {
            listen: config.ssb.listen,
            devices: config.ssb.devices.clone(),
            network_key: community.network_key(),
            ..ssb_announcer::gossip::Config::default()
        },
        discovery: lan_discovery(config, community),
        keep_free: config.storage.reserve.as_u64() / FEEDS_OF_RESERVE,
        peers: ssb_peers(config)?,
        hops: config.ssb.hops,
        name: config.node.name.clone(),
        image: config.node.image.as_deref().map(picture::load).transpose()?,
        start_posts: start_posts(config, web).pages(),
    })
}

/// How the start of a broadcast is told in a post.
pub(crate) fn start_posts(config: &Config, web: SocketAddr) -> StartPosts {
    StartPosts { told: config.ssb.announce_post, public_url: config.web.public_url.clone(), web }
}

/// Which renditions there are to be.
fn ladder(config: &Config) -> anyhow::Result<Ladder> {
    let rung = |rendition: &Rendition| {
        let Rendition { name, height, bitrate, audio_only } = rendition;
        let kind = match (*audio_only, *height, *bitrate) {
            (true, None, None) => RungKind::SoundOnly,
            (false, Some(height), Some(rate)) => {
                let kbps = u32::try_from(rate.bytes_per_second().get().saturating_mul(8) / 1_000);
                let kbps = kbps.ok().and_then(NonZeroU32::new).context("its bitrate is out of range")?;
                RungKind::Picture { height, kbps }
            }
            _ => bail!("set height and bitrate, such as 480 and \"900 kbit/s\", or audio_only = true alone"),
        };
        Ok::<_, anyhow::Error>(Rung { name: name.clone(), kind })
    };
    let place = |index: usize| format!("configuration key rendition, entry {}", index + 1);
    let rungs = config.rendition.iter().enumerate();
    let rungs = rungs.map(|(index, one)| rung(one).with_context(|| place(index)));
    Ladder::new(rungs.collect::<anyhow::Result<_>>()?).context("configuration key rendition")
}

/// How renditions are made: with this program as the encoder, where it was built with GStreamer.
fn renditions(config: &Config) -> anyhow::Result<streamer::renditions::Config> {
    let transcode = config.segment.transcode;
    let ladder = Some(ladder(config)?).filter(|_| transcode != Transcode::Off).unwrap_or_default();
    let of_others = transcode == Transcode::Here;
    let has_pictures = ladder.rungs().iter().any(|rung| rung.kind != RungKind::SoundOnly);
    let thumbnails = config.segment.thumbnails && cfg!(feature = "gstreamer");
    let worker = if !has_pictures && !thumbnails {
        None
    } else if cfg!(feature = "gstreamer") {
        Some(WorkerCommand::this(rendition::WORKER).context("cannot find this program, to start encoders")?)
    } else {
        bail!(
            "configuration key rendition: this meshstream was built without GStreamer, which encodes pictures; keep only renditions \
             with audio_only = true"
        )
    };
    Ok(streamer::renditions::Config { ladder, of_others, thumbnails, worker })
}

pub(crate) fn streamer_config(config: &Config) -> anyhow::Result<streamer::Config> {
    Ok(streamer::Config {
        ingest: streamer::ingest::Config {
            listen: config.ingest.listen,
            devices: config.ingest.devices.clone(),
            allow: allowed(config)?,
            ..streamer::ingest::Config::default()
        },
        segmenter: segmenter::Config {
            target_duration: config.segment.target_duration,
            part_duration: config.segment.part_duration,
            ..segmenter::Config::default()
        },
        live_window: config.segment.live_window,
        grace: config.ingest.grace,
        mirror: config.mesh.mirror,
        renditions: renditions(config)?,
        archive: config.archive.keep,
        keeping: streamer::keeping::Config { honour_withdrawals: config.archive.honour_withdrawals },
    })
}
