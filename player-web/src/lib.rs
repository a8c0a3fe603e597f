//! HTTP, WebSocket and pages: what a browser, another node and the command line see of this node.
//!
//! Comes in: the ports of `stream-model` ([`Ports`]), listeners and a cancellation token. Goes out: axum routers
//! ([`app`] for the network, [`control_app`] for the owner's unix socket) and the tasks that serve them ([`serve`],
//! [`serve_control`]). It speaks to no other node but through these ports, never renders a playlist, and trusts
//! nothing of a request or of a broadcast's texts.

mod admin;
mod app;
mod art;
mod assets;
mod attachment;
mod audience;
mod card;
mod config;
mod content;
mod gateway;
mod graph;
mod listen;
mod markdown;
mod media_type;
mod moderated;
mod node_state;
mod owner;
mod owner_ports;
mod page;
mod people;
mod post_card;
mod post_view;
mod range;
mod routes;
mod search;
mod serve;
mod served;
mod slots;
mod socket;
mod stall;
mod texts;
mod view;
mod viewers;

pub use admin::OwnerAccess;
pub use app::{Ports, admin_app, app, archives_app, content_app, control_app, owner_control_app, policies_app};
pub use config::{Config, GatewayReach};
pub use listen::bind_control;
pub use markdown::exercise as exercise_markdown;
pub use owner::{AdminToken, TokenError};
pub use owner_ports::OwnerPorts;
pub use serve::{serve, serve_control};
pub use viewers::ViewerCounter;
