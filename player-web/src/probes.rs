//! What phones and other systems ask to find out whether a network has the Internet, and what they take for a yes.
//!
//! Bytes and headers are those of the real servers (`docs/operations/phones.md` has the sources). Pure.

use axum::http::{HeaderMap, header};

/// One such question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Is the Internet there? This is the yes.
    Check(Yes),
    /// The page that a system opens where it takes a network for one with a portal.
    Landing,
}

/// What a system takes for a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Yes {
    /// 204 where there is no body.
    pub(crate) body: &'static str,
    /// Empty where there is no body.
    pub(crate) media_type: &'static str,
    /// One more header that it looks at.
    pub(crate) header: Option<(&'static str, &'static str)>,
    pub(crate) system: System,
}

/// How a system goes on from a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// iOS and macOS: their sheet stays open when the answer is yes, and only then lets people go on.
    Apple,
    /// The sheet closes by itself when the answer is yes.
    Other,
}

const HTML: &str = "text/html";
const TEXT: &str = "text/plain";
const NETWORK_MANAGER: Option<(&str, &str)> = Some(("X-NetworkManager-Status", "online"));

const NO_CONTENT: Yes = Yes { body: "", media_type: "", header: None, system: System::Other };
const KINDLE: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n\
    <html>\n<head>\n<title>Kindle Reachability Probe Page</title>\n\
    <META http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-1\">\n\
    <!--81ce4465-7167-4dcb-835b-dcc9e44c112a created with python 2.5 uuid.uuid4()-->\n</head>\n\
    <body bgcolor=\"#ffffff\" text=\"#000000\">\n81ce4465-7167-4dcb-835b-dcc9e44c112a\n</body>\n</html>\n";

/// Hosts of which Apple's systems ask any path, those before `captive.apple.com` made-up ones.
const APPLE_HOSTS: [&str; 7] = [
    "captive.apple.com",
    "www.appleiphonecell.com",
    "www.itools.info",
    "www.ibook.info",
    "www.airport.us",
    "www.thinkdifferent.us",
    "gsp1.apple.com",
];

/// With which the program behind Apple's sheet begins its name.
const APPLE_AGENT: &str = "CaptiveNetworkSupport";

/// Host, path, and the yes. A host of `""` stands for all: distributions of Linux ask the same path of hosts of their own.
const EXACT: [(&str, &str, Yes); 18] = [
    // Without the final line feed that captive.apple.com has.
    (
        "www.apple.com",
        "/library/test/success.html",
        apple("<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"),
    ),
    ("www.msftconnecttest.com", "/connecttest.txt", text("Microsoft Connect Test")),
    ("ipv6.msftconnecttest.com", "/connecttest.txt", text("Microsoft Connect Test")),
    ("www.msftncsi.com", "/ncsi.txt", text("Microsoft NCSI")),
    ("ipv6.msftncsi.com", "/ncsi.txt", text("Microsoft NCSI")),
    ("detectportal.firefox.com", "/success.txt", text("success\n")),
    (
        "detectportal.firefox.com",
        "/canonical.html",
        html("<meta http-equiv=\"refresh\" content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>"),
    ),
    ("", "/check_network_status.txt", network_manager("NetworkManager is online")),
    ("network-test.debian.org", "/nm", network_manager("NetworkManager is online\n")),
    ("", "/nm-check.txt", network_manager("NetworkManager is online\n")),
    ("conncheck.opensuse.org", "/", network_manager("NetworkManager is online\n")),
    ("fedoraproject.org", "/static/hotspot.txt", network_manager("OK")),
    ("networkcheck.kde.org", "/", text("OK")),
    ("connectivity-check.ubuntu.com", "/", Yes { header: NETWORK_MANAGER, ..NO_CONTENT }),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", html(KINDLE)),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub-eink.html", html(KINDLE)),
    (
        "",
        "/online/status.html",
        Yes { header: Some(("X-ConnMan-Status", "online")), ..html("<html><body>online</body></html>\n") },
    ),
    ("", "/mobile/status.php", NO_CONTENT),
];

/// Of all hosts: Android, ChromeOS, Edge, Fire OS and the makers of phones (Samsung, Xiaomi, Huawei, Honor, OPPO, vivo)
/// ask the same path of hosts of their own.
const NO_CONTENT_PATHS: [&str; 2] = ["/generate_204", "/gen_204"];

/// What Windows and Kindles open.
const LANDINGS: [(&str, &str); 4] = [
    ("go.microsoft.com", "/fwlink/"),
    ("www.msftconnecttest.com", "/redirect"),
    ("www.msftncsi.com", "/redirect"),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifiredirect.html"),
];

const fn apple(body: &'static str) -> Yes {
    Yes { body, media_type: HTML, header: None, system: System::Apple }
}

const fn text(body: &'static str) -> Yes {
    Yes { body, media_type: TEXT, header: None, system: System::Other }
}

const fn html(body: &'static str) -> Yes {
    Yes { body, media_type: HTML, header: None, system: System::Other }
}

const fn network_manager(body: &'static str) -> Yes {
    Yes { body, media_type: TEXT, header: NETWORK_MANAGER, system: System::Other }
}

/// What a browser or another program calls itself (RFC 9110 §10.1.5); empty where it does not.
pub(crate) fn user_agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether Apple's system asks, and not the sheet that shows people what came back. It follows the redirect to a portal and
/// reads its page, for WISPr's elements, before the sheet opens.
pub(crate) fn is_apples_probe(user_agent: &str) -> bool {
    user_agent.starts_with(APPLE_AGENT)
}

/// Whether a request to a name that is not this node's is such a question. `host` is in lower case.
pub(crate) fn recognise(host: &str, path: &str, user_agent: &str) -> Option<Probe> {
    if LANDINGS.contains(&(host, path)) {
        return Some(Probe::Landing);
    }
    if let Some((.., yes)) = EXACT.iter().find(|(name, file, _)| (name.is_empty() || *name == host) && *file == path) {
        return Some(Probe::Check(*yes));
    }
    if APPLE_HOSTS.contains(&host) || is_apples_probe(user_agent) {
        return Some(Probe::Check(apple("<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n")));
    }
    NO_CONTENT_PATHS.iter().any(|end| path.ends_with(end)).then_some(Probe::Check(NO_CONTENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, bytes: usize, body: &str, media_type: &str, header: &str) {
        let (host, path) = url.split_once('/').unwrap();
        let Some(Probe::Check(yes)) = recognise(host, &format!("/{path}"), "x") else { panic!("{url} is no probe") };
        assert_eq!((yes.body, yes.body.len()), (body, bytes), "{url}");
        assert_eq!((yes.media_type, yes.header.map_or("", |(name, _)| name)), (media_type, header), "{url}");
        assert!(yes.header.is_none_or(|(_, value)| value == "online"), "{url}");
    }

    #[test]
    fn every_probe_has_its_answer_byte_for_byte() {
        const APPLE: &str = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";
        for host in [
            "connectivitycheck.gstatic.com",
            "www.gstatic.com",
            "clients3.google.com",
            "play.googleapis.com",
            "connectivitycheck.android.com",
            "connect.rom.miui.com",
            "connectivitycheck.platform.hicloud.com",
            "connectivitycheck.platform.hihonorcloud.com",
            "connectivity.samsung.com.cn",
            "conn1.oppomobile.com",
            "wifi.vivo.com.cn",
            "fireoscaptiveportal.com",
        ] {
            check(&format!("{host}/generate_204"), 0, "", "", "");
        }
        check("www.google.com/gen_204", 0, "", "", "");
        check("edge.microsoft.com/captiveportal/generate_204", 0, "", "", "");
        check("portal.fb.com/mobile/status.php", 0, "", "", "");
        check("captive.apple.com/hotspot-detect.html", 69, &format!("{APPLE}\n"), "text/html", "");
        check("captive.apple.com/", 69, &format!("{APPLE}\n"), "text/html", "");
        check("www.thinkdifferent.us/library/test/success.html", 69, &format!("{APPLE}\n"), "text/html", "");
        check("www.itools.info/kx3/Ys5Kq.html", 69, &format!("{APPLE}\n"), "text/html", "");
        check("www.apple.com/library/test/success.html", 68, APPLE, "text/html", "");
        check("www.msftconnecttest.com/connecttest.txt", 22, "Microsoft Connect Test", "text/plain", "");
        check("ipv6.msftconnecttest.com/connecttest.txt", 22, "Microsoft Connect Test", "text/plain", "");
        check("www.msftncsi.com/ncsi.txt", 14, "Microsoft NCSI", "text/plain", "");
        check("detectportal.firefox.com/success.txt", 8, "success\n", "text/plain", "");
        let canonical =
            "<meta http-equiv=\"refresh\" content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>";
        check("detectportal.firefox.com/canonical.html", 90, canonical, "text/html", "");
        let status = "X-NetworkManager-Status";
        check("nmcheck.gnome.org/check_network_status.txt", 24, "NetworkManager is online", "text/plain", status);
        check("network-test.debian.org/nm", 25, "NetworkManager is online\n", "text/plain", status);
        check("ping.manjaro.org/check_network_status.txt", 24, "NetworkManager is online", "text/plain", status);
        check("ping.archlinux.org/nm-check.txt", 25, "NetworkManager is online\n", "text/plain", status);
        check("fedoraproject.org/static/hotspot.txt", 2, "OK", "text/plain", status);
        check("connectivity-check.ubuntu.com/", 0, "", "", status);
        check("networkcheck.kde.org/", 2, "OK", "text/plain", "");
        check(
            "ipv4.connman.net/online/status.html",
            33,
            "<html><body>online</body></html>\n",
            "text/html",
            "X-ConnMan-Status",
        );
        check("spectrum.s3.amazonaws.com/kindle-wifi/wifistub.html", 406, KINDLE, "text/html", "");
        check("spectrum.s3.amazonaws.com/kindle-wifi/wifistub-eink.html", 406, KINDLE, "text/html", "");
    }

    #[test]
    fn systems_open_a_page_of_theirs() {
        for (host, path) in LANDINGS {
            assert_eq!(recognise(host, path, ""), Some(Probe::Landing));
        }
    }

    #[test]
    fn apples_sheet_is_known_by_its_name_whatever_it_asks() {
        let probe = recognise("example.com", "/", "CaptiveNetworkSupport-428.100.3 wispr");
        assert!(matches!(probe, Some(Probe::Check(Yes { system: System::Apple, .. }))));
    }

    #[test]
    fn other_requests_are_none() {
        for (host, path) in [
            ("www.apple.com", "/"),
            ("www.google.com", "/"),
            ("detectportal.firefox.com", "/"),
            ("example.com", "/connecttest.txt"),
            ("example.com", "/generate_204x"),
            ("example.com", "/ncsi.txt"),
        ] {
            assert_eq!(recognise(host, path, "Mozilla/5.0"), None, "{host}{path}");
        }
    }
}
