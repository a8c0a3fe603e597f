//! Phones join an access point: dnsmasq and nftables with what `meshstream portal` prints, a DHCP client, and the requests by
//! which systems look for the Internet, resolved by the access point's DNS.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::access_point::{AccessPoint, Phone};
use testkit::link;
use testkit::netns::{Network, SWITCH};
use testkit::node::{Node, Settings, Tls};

use crate::MESHSTREAM;

/// curl's exit codes (curl(1)).
const REFUSED: i32 = 7;
const UNTRUSTED: i32 = 60;

const SUCCESS: &str = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";
const FIREFOX: &str = r#"<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>"#;

/// What systems ask, and the status and body that are the Internet to them.
const PROBES: [(&str, u16, &str); 21] = [
    ("connectivitycheck.gstatic.com/generate_204", 204, ""),
    ("www.gstatic.com/generate_204", 204, ""),
    ("clients3.google.com/generate_204", 204, ""),
    ("www.google.com/gen_204", 204, ""),
    ("play.googleapis.com/generate_204", 204, ""),
    ("connectivitycheck.android.com/generate_204", 204, ""),
    ("connect.rom.miui.com/generate_204", 204, ""),
    ("connectivitycheck.platform.hicloud.com/generate_204", 204, ""),
    ("edge-http.microsoft.com/captiveportal/generate_204", 204, ""),
    ("www.msftconnecttest.com/connecttest.txt", 200, "Microsoft Connect Test"),
    ("ipv6.msftconnecttest.com/connecttest.txt", 200, "Microsoft Connect Test"),
    ("www.msftncsi.com/ncsi.txt", 200, "Microsoft NCSI"),
    ("ipv6.msftncsi.com/ncsi.txt", 200, "Microsoft NCSI"),
    ("detectportal.firefox.com/canonical.html", 200, FIREFOX),
    ("detectportal.firefox.com/success.txt?ipv4", 200, "success\n"),
    ("nmcheck.gnome.org/check_network_status.txt", 200, "NetworkManager is online"),
    ("network-test.debian.org/nm", 200, "NetworkManager is online\n"),
    ("fedoraproject.org/static/hotspot.txt", 200, "OK"),
    ("connectivity-check.ubuntu.com/", 204, ""),
    ("networkcheck.kde.org/", 200, "OK"),
    ("ipv4.connman.net/online/status.html", 200, "<html><body>online</body></html>\n"),
];

const APPLE_PROBES: [(&str, &str); 7] = [
    ("captive.apple.com/hotspot-detect.html", "\n"),
    ("captive.apple.com/", "\n"),
    ("www.apple.com/library/test/success.html", ""),
    ("www.itools.info/kx3/Ys5Kq.html", "\n"),
    ("www.ibook.info/library/test/success.html", "\n"),
    ("www.airport.us/x.html", "\n"),
    ("www.thinkdifferent.us/", "\n"),
];

/// A node with an access point, and phones that have joined it.
struct Scene {
    _node: Node,
    point: AccessPoint,
    phones: Vec<Phone>,
    // Last, so that what runs in it ends by itself before.
    _network: Network,
}

async fn scene(phones: &[&str], settings: Settings) -> Result<Option<Scene>> {
    let places = [&["node"], phones].concat();
    let Some(network) = Network::lan(&places, link::Settings::default()).await? else { return Ok(None) };
    let namespace = network.namespace("node")?.clone();
    let node =
        Node::start(MESHSTREAM, Settings { name: "roof".to_owned(), namespace: Some(namespace.clone()), ..settings })
            .await?;
    let address = network.address("node", SWITCH)?.to_string();
    let file =
        async |program: &str| node.cli(&["portal", "--device", "eth0", "--address", &address, "--only", program]).await;
    let point = AccessPoint::start(&namespace, &file("dnsmasq").await?, &file("nftables").await?).await?;
    let mut joined = Vec::new();
    for phone in phones {
        joined.push(Phone::join(network.namespace(phone)?, "eth0").await?);
    }
    Ok(Some(Scene { _node: node, point, phones: joined, _network: network }))
}

/// What came back.
#[derive(Debug)]
struct Answer {
    /// Of curl.
    exit: i32,
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

async fn curl(phone: &Phone, arguments: &[&str]) -> Result<Answer> {
    let mut command = phone.command("curl");
    let output = command.args(["--silent", "--include", "--max-time", "30"]).args(arguments).output().await?;
    let exit = output.status.code().context("curl was killed")?;
    let text = String::from_utf8(output.stdout)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { exit, status, head: head.to_owned(), body: body.to_owned() })
}

async fn get(phone: &Phone, url: &str) -> Result<Answer> {
    curl(phone, &[url]).await
}

/// Ensures that a probe opens the portal, and says where that is.
async fn portal(phone: &Phone, url: &str) -> Result<String> {
    let answer = get(phone, url).await?;
    let portal = answer.header("location");
    ensure!(answer.status == 302 && portal.ends_with("/portal"), "{url}: {answer:?}");
    Ok(portal.to_owned())
}

#[tokio::test]
async fn phones_that_join_open_the_portal_and_then_find_what_they_take_for_the_internet() -> Result<()> {
    let Some(scene) = scene(&["android", "iphone"], Settings::default()).await? else { return Ok(()) };
    let [android, iphone] = &scene.phones[..] else { panic!("two phones") };
    for phone in [android, iphone] {
        ensure!(phone.lease("router") == Some("10.78.0.1") && phone.lease("dns") == Some("10.78.0.1"), "{phone:?}");
        ensure!(phone.lease("opt114").is_none(), "there is no certificate: {phone:?}");
    }

    for (probe, ..) in PROBES {
        portal(android, probe).await?;
    }
    let page = portal(android, PROBES[0].0).await?;
    ensure!(page == "http://10.78.0.1/portal", "{page}");
    let answer = get(android, &page).await?;
    ensure!(answer.status == 200 && answer.body.contains("action=\"/portal/continue\""), "{answer:?}");
    portal(android, PROBES[0].0).await.context("the sheet would close by itself")?;
    let answer = curl(android, &["--request", "POST", &format!("{page}/continue")]).await?;
    ensure!(answer.status == 303, "{answer:?}");
    for (probe, status, body) in PROBES {
        let answer = get(android, probe).await?;
        ensure!((answer.status, answer.body.as_str()) == (status, body), "{probe}: {answer:?}");
        let length = answer.header("content-length");
        ensure!(status == 204 || length == body.len().to_string(), "{probe}: {answer:?}");
    }

    let log = scene.point.log();
    ensure!(log.contains("config connectivitycheck.gstatic.com is 192.0.2.1"), "Android would not ask: {log}");

    for (probe, _) in APPLE_PROBES {
        portal(iphone, probe).await?;
    }
    get(iphone, &page).await?;
    for (probe, end) in APPLE_PROBES {
        let answer = get(iphone, probe).await?;
        ensure!((answer.status, answer.body) == (200, format!("{SUCCESS}{end}")), "{probe}");
    }
    Ok(())
}

#[tokio::test]
async fn a_phone_joins_an_access_point_that_was_set_up_from_the_small_file() -> Result<()> {
    let Some(network) = Network::lan(&["node", "phone"], link::Settings::default()).await? else { return Ok(()) };
    let namespace = network.namespace("node")?.clone();
    let settings = Settings { name: "roof".to_owned(), namespace: Some(namespace.clone()), ..Settings::default() };
    let node = Node::start(MESHSTREAM, settings).await?;
    let image = tempfile::tempdir()?;
    let root = image.path().to_str().context("a path of ASCII")?;
    let address = network.address("node", SWITCH)?;
    let file = image.path().join("access-point.toml");
    let text = format!("country = \"CA\"\nsuffix = \"1a2b\"\ndevice = \"eth0\"\naddress = \"{address}\"\n");
    std::fs::write(&file, text)?;
    let file = file.to_str().context("a path of ASCII")?;
    node.cli(&["setup", "access-point", "--root", root, "--file", file]).await?;
    let made = |name: &str| std::fs::read_to_string(image.path().join("etc/meshstream/access-point").join(name));
    // The port of a node under test is another each time; an image has no such node.
    let rules = made("portal.nft")?.replace("redirect to :8080", &format!("redirect to :{}", port(&node)?));
    let _point = AccessPoint::start(&namespace, &made("dnsmasq.conf")?, &rules).await?;
    let phone = Phone::join(network.namespace("phone")?, "eth0").await?;

    let page = portal(&phone, PROBES[0].0).await?;
    ensure!(page == format!("http://{address}/portal"), "{page}");
    let answer = get(&phone, "http://mesh-1a2b/").await?;
    ensure!(answer.status == 302 && answer.header("location") == format!("http://{address}/"), "{answer:?}");
    Ok(())
}

fn port(node: &Node) -> Result<String> {
    let address = node.web_address();
    Ok(address.rsplit_once(':').context("an address with a port")?.1.to_owned())
}

#[tokio::test]
async fn every_name_leads_a_phone_to_the_node_and_what_cannot_be_had_is_refused_at_once() -> Result<()> {
    let Some(scene) = scene(&["phone"], Settings::default()).await? else { return Ok(()) };
    let phone = &scene.phones[0];
    let answer = get(phone, "http://thisnode.info/").await?;
    ensure!(answer.status == 200 && answer.body.contains("<title>"), "{answer:?}");
    let answer = get(phone, "http://example.com/some/page?x=1").await?;
    ensure!(answer.status == 302 && answer.header("location") == "http://10.78.0.1/", "{answer:?}");
    // As by a phone that remembers an address, or asks a name server of its own.
    let answer = get(phone, "http://93.184.215.14/").await?;
    ensure!(answer.status == 200 && answer.body.contains("<title>"), "{answer:?}");
    for url in
        ["https://www.example.com/", "https://www.google.com/", "https://93.184.215.14/", "https://93.184.215.14:853/"]
    {
        let answer = get(phone, url).await?;
        ensure!(answer.exit == REFUSED, "{url}: {answer:?}");
    }
    let log = scene.point.log();
    ensure!(log.contains("config example.com is NODATA-IPv6"), "phones wait for addresses of IPv6: {log}");
    ensure!(!["forwarded", "REFUSED"].iter().any(|word| log.contains(word)), "asked elsewhere: {log}");
    Ok(())
}

#[tokio::test]
async fn a_node_with_a_certificate_tells_phones_by_dhcp_where_its_account_of_the_portal_is() -> Result<()> {
    const NAME: &str = "video.example.org";
    let home = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
    let (certificate, key) = (home.path().join("certificate.pem"), home.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let tls = Some(Tls { certificate: certificate.clone(), key });
    let settings = Settings { names: vec![NAME.to_owned()], tls, ..Settings::default() };
    let Some(scene) = scene(&["phone"], settings).await? else { return Ok(()) };
    let phone = &scene.phones[0];

    let told = phone.lease("opt114").context("no option 114")?;
    let account = format!("https://{NAME}:8443/captive-portal/api");
    let expected = account.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    ensure!(told == expected, "{told}");
    let trust = certificate.to_str().context("a path of ASCII")?;
    let ask = async || -> Result<Value> {
        let answer = curl(phone, &["--cacert", trust, &account]).await?;
        ensure!(answer.header("content-type") == "application/captive+json", "{answer:?}");
        Ok(serde_json::from_str(&answer.body)?)
    };
    let said = ask().await?;
    ensure!(said["captive"] == true && said["user-portal-url"] == format!("https://{NAME}:8443/portal"), "{said}");
    let page = portal(phone, "connectivitycheck.gstatic.com/generate_204").await?;
    ensure!(page == format!("http://{NAME}/portal"), "{page}");
    curl(phone, &["--request", "POST", &format!("{page}/continue")]).await?;
    let said = ask().await?;
    ensure!(said["captive"] == false, "{said}");

    let answer = curl(phone, &["--cacert", trust, &format!("https://{NAME}/")]).await?;
    ensure!(answer.status == 200, "port 443 leads to it, too: {answer:?}");
    let answer = get(phone, "https://www.example.com/").await?;
    ensure!(answer.exit == UNTRUSTED, "not to be taken for another: {answer:?}");
    Ok(())
}
