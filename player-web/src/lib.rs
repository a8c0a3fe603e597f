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
mod clock;
mod config;
mod content;
mod cookies;
mod entrance;
mod exercise;
mod gateway;
mod graph;
mod headers;
mod host;
mod limits;
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
mod probes;
mod proxies;
pub mod qr;
mod range;
mod routes;
mod search;
mod serve;
mod served;
mod sizes;
mod slots;
mod socket;
mod spelling;
mod stall;
mod texts;
mod tls;
mod view;
mod viewers;
mod visitors;
mod waits;

pub use axum::Router;

pub use admin::OwnerAccess;
pub use app::{
    Ports, admin_app, app, archives_app, content_app, control_app, gateway_app, owner_control_app, policies_app,
};
pub use config::{Config, Embedding, GatewayChoice, GatewayReach, Portal};
pub use exercise::exercise as exercise_request;
pub use host::{THIS_NODE, is_host_name};
pub use listen::bind_control;
pub use markdown::exercise as exercise_markdown;
pub use owner::{AdminToken, TokenError};
pub use owner_ports::OwnerPorts;
pub use serve::{Places, serve, serve_control, serve_tls};
pub use tls::{Tls, TlsError, covered};
pub use view::documents as broadcast_documents;
pub use viewers::ViewerCounter;
