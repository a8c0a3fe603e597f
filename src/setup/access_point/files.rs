//! The settings of hostapd, dnsmasq, nftables and radvd. Pure.

use std::fmt::Write as _;

use super::Point;
use super::channel::{Band, Channel, Side, Width};
use super::settings::{NOWHERE, Security, Settings};
use crate::config::Config;
use crate::portal::{self, Part};
use crate::setup::check::Checker;
use crate::setup::plan::Plan;

/// The directory of the files that nobody but the units of [`super::units`] reads.
pub(crate) const DIRECTORY: &str = "/etc/meshstream/access-point";

/// Who made a file, and how it is changed.
pub(crate) const HEAD: &str = "\
# Made by 'meshstream setup access-point' from its small file, /etc/meshstream/access-point.toml where no other was named.
# To change it, change that and run the command again. What is written here by hand is never overwritten, but then the command
# changes nothing at all until it is told what to do.
";

/// Adds them to a plan.
pub(crate) fn add(plan: &mut Plan, point: &Point<'_>, config: &Config) {
    let path = |name: &str| format!("{DIRECTORY}/{name}");
    let portal = |part| format!("{HEAD}\n{}", portal::body(config, &point.portal(), part));
    plan.secret(path("hostapd.conf"), hostapd(point), Some(Checker::Hostapd));
    plan.own(path("dnsmasq.conf"), format!("{}{}", portal(Part::Dnsmasq), dnsmasq(point)), Some(Checker::Dnsmasq));
    plan.own(path("portal.nft"), portal(Part::Nftables), Some(Checker::Nft));
    plan.own(path("radvd.conf"), radvd(point), Some(Checker::Radvd));
    plan.own("/etc/sysctl.d/60-meshstream-access-point.conf", sysctl(point.settings), None);
}

fn hostapd(point: &Point<'_>) -> String {
    let Settings { device, country, .. } = point.settings;
    let isolate = u8::from(point.settings.client_isolation);
    let regulation = match country.as_str() {
        // The kernel then allows what all countries do.
        NOWHERE => String::new(),
        _ => format!(
            "country_code={country}\n\
             # Phones that travel are told which country this is.\n\
             ieee80211d=1\n"
        ),
    };
    let mut text = format!(
        "{HEAD}\n\
         interface={device}\n\
         driver=nl80211\n\
         ctrl_interface=/run/hostapd\n\
         ssid={}\n\
         {regulation}\
         # 802.11n and later ask for it.\n\
         wmm_enabled=1\n\
         # Whether phones are kept from each other; they reach the node in any case.\n\
         ap_isolate={isolate}\n\
         auth_algs=1\n",
        point.name
    );
    // Checked with the settings.
    if let Ok(channel) = point.settings.channel() {
        text += &radio(channel);
    }
    if let Some(passphrase) = &point.settings.passphrase {
        text += &security(point.settings.security);
        let _ = writeln!(text, "wpa_passphrase={passphrase}");
    }
    text
}

fn radio(channel: Channel) -> String {
    let number = channel.number;
    let mut text = match channel.band() {
        Band::Two => format!("hw_mode=g\nchannel={number}\nieee80211n=1\n"),
        // With 802.11h it listens for radars where the channel is theirs, too.
        Band::Five => format!("hw_mode=a\nchannel={number}\nieee80211n=1\nieee80211ac=1\nieee80211h=1\n"),
    };
    if channel.width != Width::Mhz20 {
        let side = if channel.side() == Side::Above { '+' } else { '-' };
        let _ = writeln!(text, "ht_capab=[HT40{side}]");
    }
    if channel.width == Width::Mhz80 {
        let _ = writeln!(text, "vht_oper_chwidth=1\nvht_oper_centr_freq_seg0_idx={}", channel.middle());
    }
    text
}

fn security(security: Security) -> String {
    let (management, frames) = match security {
        Security::Wpa2 => ("WPA-PSK", "ieee80211w=0\n"),
        Security::Both => ("WPA-PSK SAE", "ieee80211w=1\nsae_require_mfp=1\n"),
        Security::Wpa3 => ("SAE", "ieee80211w=2\n"),
    };
    format!("wpa=2\nwpa_key_mgmt={management}\nrsn_pairwise=CCMP\n{frames}")
}

/// What the portal's settings leave to whoever starts dnsmasq.
fn dnsmasq(point: &Point<'_>) -> String {
    format!(
        "# This one reads nothing of what other programs on the machine are set to.\n\
         no-hosts\n\
         dhcp-leasefile=/var/lib/misc/meshstream-access-point.leases\n\
         # Not written to a card each time that a phone comes back.\n\
         quiet-dhcp\n\
         host-record={},{},{}\n",
        point.name,
        point.settings.address,
        point.address6()
    )
}

/// Where the portal's account is (RFC 8910) is told by DHCP alone: radvd 2.19 of Debian 12 does not know that option.
fn radvd(point: &Point<'_>) -> String {
    let device = &point.settings.device;
    format!(
        "{HEAD}\n\
         interface {device} {{\n\
         \tIgnoreIfMissing on;\n\
         \tAdvSendAdvert on;\n\
         \t# No way to the Internet is promised: phones keep the one that they have otherwise.\n\
         \tAdvDefaultLifetime 0;\n\
         \tMaxRtrAdvInterval 60;\n\
         \tprefix {} {{\n\t\tAdvOnLink on;\n\t\tAdvAutonomous on;\n\t}};\n\
         \tRDNSS {} {{\n\t}};\n\
         }};\n",
        point.prefix,
        point.address6()
    )
}

fn sysctl(settings: &Settings) -> String {
    let device = settings.device.as_str().replace('.', "/");
    format!(
        "{HEAD}\n\
         # hostapd takes the device down and up again: its addresses stay.\n\
         net.ipv6.conf.{device}.keep_addr_on_down = 1\n\
         # Nobody who joins the access point tells the node where the Internet is.\n\
         net.ipv6.conf.{device}.accept_ra = 0\n"
    )
}
