//! The node's web listeners: pages and HLS, the same over HTTPS where there is a certificate, and the gateway where it has
//! a port of its own.

use std::net::SocketAddr;

use anyhow::anyhow;
use listener::Listener;
use player_web::{GatewayChoice, OwnerAccess, Places, Router, Tls};
use stream_model::Listen;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::local_name::local_names;

/// Listeners that accept nobody yet.
pub(crate) struct Doors {
    plain: Listener,
    tls: Option<(Listener, Tls)>,
    gateway: Option<Listener>,
}

/// The certificate, where the owner has one.
pub(crate) fn certificate(config: &Config) -> anyhow::Result<Option<Tls>> {
    let files = config.web.tls.as_ref();
    Ok(files.map(|files| Tls::load(&files.certificate, &files.key)).transpose()?)
}

impl Doors {
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let listen = |key: &str, address: SocketAddr| {
            Listener::bind(address, &config.web.devices).map_err(|error| {
                anyhow!(
                    "cannot listen for browsers on {address}: {error}; set {key} to an address and port that are free"
                )
            })
        };
        let tls = match (&config.web.tls, certificate(config)?) {
            (Some(files), Some(tls)) => Some((listen("web.tls.listen", files.listen)?, tls)),
            _ => None,
        };
        let gateway = config.web.gateway_listen.map(|address| listen("web.gateway_listen", address)).transpose()?;
        Ok(Self { plain: listen("web.listen", config.web.listen)?, tls, gateway })
    }

    /// Where pages are.
    pub(crate) fn address(&self) -> SocketAddr {
        self.plain.local_addr()
    }

    /// Fills in the addresses.
    pub(crate) fn tell(&self, listen: &mut Listen) {
        let addresses = |listener: Option<&Listener>| listener.map(|listener| listener.local_addr().to_string());
        listen.web = addresses(Some(&self.plain)).into_iter().collect();
        listen.web_tls = addresses(self.tls.as_ref().map(|(listener, _)| listener)).into_iter().collect();
        listen.gateway = addresses(self.gateway.as_ref()).into_iter().collect();
    }

    /// What the web server is to know of the configuration.
    pub(crate) fn config(&self, config: &Config, access: OwnerAccess, gateway: GatewayChoice) -> player_web::Config {
        player_web::Config {
            listen: config.web.listen,
            gateway,
            gateway_port: self.gateway.as_ref().map(|listener| listener.local_addr().port()),
            names: config.web.names.clone(),
            other_names: local_names(&config.node.name),
            portal: config.web.portal,
            embed: config.web.embed.clone(),
            access,
            max_connections: config.web.max_connections,
            max_connections_per_address: config.web.max_connections_per_address,
            max_sockets: config.web.max_sockets,
            max_sockets_per_address: config.web.max_sockets_per_address,
            trusted_proxies: config.web.trusted_proxies.clone(),
        }
    }

    /// Serves on all of them, with as many connections together as the configuration allows.
    pub(crate) fn serve(
        self,
        app: Router,
        gateway_app: Router,
        config: &player_web::Config,
        tasks: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) {
        let places = Places::new(config);
        if let Some((listener, tls)) = self.tls {
            tasks.spawn(player_web::serve_tls(listener, tls, app.clone(), places.clone(), stop.clone()));
        }
        if let Some(listener) = self.gateway {
            tasks.spawn(player_web::serve(listener, gateway_app, places.clone(), stop.clone()));
        }
        tasks.spawn(player_web::serve(self.plain, app, places, stop.clone()));
    }
}
