//! Fakes for the ports, sample media, and real processes to test against. For tests only.

pub mod access_point;
pub mod browser;
pub mod camera;
pub mod captions;
mod child;
pub mod cjdns;
pub mod disk;
pub mod documents;
pub mod encoder;
pub mod events;
pub mod fakes;
pub mod flv;
pub mod kubo;
pub mod link;
pub mod mesh;
pub mod neighbourhood;
pub mod netns;
pub mod node;
pub mod process;
pub mod rtmp_hostile;
pub mod site;
mod skip;
pub mod source;
pub mod ssb_peer;
pub mod standing;
pub mod yggdrasil;
