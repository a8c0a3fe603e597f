//! A real browser: headless Chromium, Firefox or WebKit with a page open, through `tests/browser/watch.mjs`.

use std::cell::RefCell;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::child::{GUARD, JsonChild, repository};
use crate::netns::Namespace;

/// A page in a browser.
#[derive(Debug)]
pub struct Browser {
    driver: JsonChild,
}

/// Which browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Debian's Chromium.
    #[default]
    Chromium,
    /// Debian's Firefox ESR.
    Firefox,
    /// Debian's WebKitGTK, with native HLS. It tells of no errors, and takes commands only for playing.
    WebKit,
}

impl Kind {
    /// Its name for the driver, and in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::WebKit => "webkit",
        }
    }
}

/// The Media Source Extensions that a page finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MediaSource {
    /// The browser's own.
    #[default]
    Own,
    /// `ManagedMediaSource` alone, as on iPhones since iOS 17.1; made of the browser's own.
    Managed,
    /// None, as on iPhones before.
    None,
}

impl MediaSource {
    /// Its name for the driver, which needs none for the browser's own.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Own => None,
            Self::Managed => Some("managed"),
            Self::None => Some("none"),
        }
    }
}

/// How a browser is set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which one.
    pub kind: Kind,
    /// With false, the page's script finds no WebSocket.
    pub websocket: bool,
    /// The Media Source Extensions that the page's script finds.
    pub media_source: MediaSource,
    /// Prefers a dark page.
    pub dark: bool,
    /// What the page is asked for in (`Accept-Language`); the browser's own where there is none.
    pub language: Option<&'static str>,
    /// Width and height of the window, in CSS pixels.
    pub size: (u32, u32),
    /// Where it runs; among the tests themselves where `None`.
    pub namespace: Option<Namespace>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            websocket: true,
            media_source: MediaSource::default(),
            dark: false,
            language: None,
            size: (1280, 800),
            namespace: None,
        }
    }
}

impl From<Kind> for Settings {
    fn from(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// What the page's player does.
#[derive(Debug, Clone)]
pub struct PlayerState(Value);

impl PlayerState {
    /// Seconds of the broadcast's timeline.
    pub fn current_time(&self) -> f64 {
        self.0["video"]["currentTime"].as_f64().unwrap_or(0.0)
    }

    /// How often the page was loaded: more than once means that it was reloaded.
    pub fn loads(&self) -> u64 {
        self.0["loads"].as_u64().unwrap_or(0)
    }

    /// The player's state: `playing`, `waiting`, `ended`…
    pub fn state(&self) -> &str {
        self.0["state"].as_str().unwrap_or_default()
    }

    /// What the page says of it.
    pub fn caption(&self) -> &str {
        self.0["caption"].as_str().unwrap_or_default()
    }

    /// File name of the playlist that was loaded last.
    pub fn playlist(&self) -> &str {
        self.0["playlist"].as_str().unwrap_or_default()
    }

    /// How many messages came over WebSockets.
    pub fn pushes(&self) -> u64 {
        self.0["pushes"].as_u64().unwrap_or(0)
    }

    /// How many managed media sources the page made, and how often one said that it has enough.
    pub fn managed_sources(&self) -> (u64, u64) {
        let count = |key: &str| self.0[key].as_u64().unwrap_or(0);
        (count("managedSources"), count("enoughs"))
    }

    /// Seconds loaded beyond the position.
    pub fn in_hand(&self) -> f64 {
        let end = self.0["video"]["bufferedEnd"].as_f64().unwrap_or(0.0);
        (end - self.current_time()).max(0.0)
    }

    /// Whether the page offers to turn the sound on.
    pub fn sound_offered(&self) -> bool {
        self.0["soundOffered"] == true
    }

    /// Width of the picture, 0 where there is none yet.
    pub fn width(&self) -> u64 {
        self.0["video"]["width"].as_u64().unwrap_or(0)
    }
}

impl Browser {
    /// Opens a page in Chromium. With `websocket` false, its script finds none.
    ///
    /// # Errors
    /// Where the browser or the driver is not installed, or the page does not load.
    pub async fn open(url: &str, websocket: bool) -> Result<Self> {
        Self::open_with(url, &Settings { websocket, ..Settings::default() }).await
    }

    /// Opens a page in a browser of a kind.
    ///
    /// # Errors
    /// Where the browser or the driver is not installed, or the page does not load.
    pub async fn open_in(kind: Kind, url: &str) -> Result<Self> {
        Self::open_with(url, &kind.into()).await
    }

    /// Opens a page in a browser that is set as wanted.
    ///
    /// # Errors
    /// Where the browser or the driver is not installed, or the page does not load.
    pub async fn open_with(url: &str, settings: &Settings) -> Result<Self> {
        let folder = repository().join("tests/browser");
        let mut command = match &settings.namespace {
            Some(namespace) => namespace.command("node"),
            None => Command::new("node"),
        };
        command.arg(folder.join("watch.mjs")).arg(url).args(["--every", "0.5", "--browser", settings.kind.name()]);
        let (width, height) = settings.size;
        command.args(["--width", &width.to_string(), "--height", &height.to_string()]);
        if !settings.websocket {
            command.arg("--no-websocket");
        }
        if let Some(media_source) = settings.media_source.name() {
            command.args(["--media-source", media_source]);
        }
        if settings.dark {
            command.arg("--dark");
        }
        if let Some(language) = settings.language {
            command.args(["--language", language]);
        }
        // It ends with its standard input, and takes the browser with it, which would outlive a driver that is killed.
        let driver = JsonChild::spawn_to_end_by_itself("the browser", command, &folder.join("node_modules"))?;
        let mut browser = Self { driver };
        browser.driver.until("the page", |line| (line["event"] == "open").then_some(())).await?;
        Ok(browser)
    }

    /// Opens another page in the same tab.
    ///
    /// # Errors
    /// Where it does not load.
    pub async fn goto(&mut self, url: &str) -> Result<()> {
        self.command(&format!("goto {url}")).await.map(|_| ())
    }

    /// Presses play.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn play(&mut self) -> Result<()> {
        self.command("play").await.map(|_| ())
    }

    /// Closes the page's WebSockets; it finds none from then on.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn drop_websockets(&mut self) -> Result<()> {
        self.command("drop-websockets").await.map(|_| ())
    }

    /// Evaluates an expression on the page, and returns its value.
    ///
    /// # Errors
    /// Where the browser does not answer, or the expression throws.
    pub async fn eval(&mut self, expression: &str) -> Result<Value> {
        // The driver reads lines.
        let line = expression.replace('\n', " ");
        self.command(&format!("eval {line}")).await
    }

    /// Evaluates an expression on the page until its value is as wanted, and returns it.
    ///
    /// # Errors
    /// Where the browser does not answer, or it does not come to that.
    pub async fn until_eval(&mut self, expression: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let watched = async {
            loop {
                last = self.eval(expression).await?;
                if wanted(&last) {
                    return Ok(last.clone());
                }
                // At the next look.
                self.until(expression, |_| true).await?;
            }
        };
        match tokio::time::timeout(GUARD, watched).await {
            Ok(found) => found,
            Err(_) => bail!("{expression}: it did not come to that; the last value was {last}"),
        }
    }

    /// Presses a button, whether it is to be seen or not.
    ///
    /// # Errors
    /// Where the browser does not answer, or there is no such button.
    pub async fn press(&mut self, id: &str) -> Result<()> {
        self.eval(&format!("document.getElementById('{id}').click()")).await.map(|_| ())
    }

    /// Clicks where a selector leads, as a visitor does: once it is to be seen. `>>>` enters shadows.
    ///
    /// # Errors
    /// Where nothing is there to be clicked.
    pub async fn click(&mut self, selector: &str) -> Result<()> {
        self.command(&format!("click {selector}")).await.map(|_| ())
    }

    /// Replaces what is in a field.
    ///
    /// # Errors
    /// Where there is no such field.
    pub async fn fill(&mut self, selector: &str, text: &str) -> Result<()> {
        self.command(&format!("type {}", json!({ "into": selector, "text": text }))).await.map(|_| ())
    }

    /// Presses a key: `Tab`, `Enter`, `ArrowRight`, `k`…
    ///
    /// # Errors
    /// Where there is no such key.
    pub async fn key(&mut self, name: &str) -> Result<()> {
        self.command(&format!("key {name}")).await.map(|_| ())
    }

    /// Waits until something is on the page.
    ///
    /// # Errors
    /// Where it does not come.
    pub async fn wait_for(&mut self, selector: &str) -> Result<()> {
        self.command(&format!("wait {selector}")).await.map(|_| ())
    }

    /// Sets the size of the window, in CSS pixels.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn resize(&mut self, width: u32, height: u32) -> Result<()> {
        self.command(&format!("size {width} {height}")).await.map(|_| ())
    }

    /// Sets what pages are asked for in from now on (`Accept-Language`).
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn speak(&mut self, language: &str) -> Result<()> {
        self.command(&format!("language {language}")).await.map(|_| ())
    }

    /// Changes to dark or light; Chromium alone does it while it runs.
    ///
    /// # Errors
    /// Where it is a Firefox.
    pub async fn prefer_dark(&mut self, dark: bool) -> Result<()> {
        self.command(if dark { "scheme dark" } else { "scheme light" }).await.map(|_| ())
    }

    /// Has pages load everything anew from now on.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn forget_files(&mut self) -> Result<()> {
        self.command("forget-files").await.map(|_| ())
    }

    /// Cuts the page off from the network, or not.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn offline(&mut self, offline: bool) -> Result<()> {
        self.command(if offline { "offline" } else { "online" }).await.map(|_| ())
    }

    /// Puts the page to sleep, as a phone in a pocket does, or wakes it; Chromium alone can.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn freeze(&mut self, frozen: bool) -> Result<()> {
        self.command(if frozen { "freeze" } else { "thaw" }).await.map(|_| ())
    }

    /// Writes the whole page as PNG.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub async fn screenshot(&mut self, file: &std::path::Path) -> Result<()> {
        self.command(&format!("full-screenshot {}", file.display())).await.map(|_| ())
    }

    /// What is wrong with the page as it is, a line each: broken rules of WCAG 2.2 AA, a page wider than its window, what its
    /// content security policy refused.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn audit(&mut self) -> Result<Vec<String>> {
        self.lines("audit").await
    }

    /// What the page threw or logged as an error since it was last asked.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn errors(&mut self) -> Result<Vec<String>> {
        self.lines("errors").await
    }

    /// The URLs that the page asked for since it was last asked, answered or not.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn requests(&mut self) -> Result<Vec<String>> {
        let requests = self.command("requests").await?;
        let urls = requests.as_array().into_iter().flatten().filter_map(|request| request["url"].as_str());
        Ok(urls.map(str::to_owned).collect())
    }

    async fn lines(&mut self, command: &str) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.command(command).await?)?)
    }

    async fn command(&mut self, line: &str) -> Result<Value> {
        self.driver.send(line).await?;
        let reply = self.driver.until(line, |reply| (reply["event"] == "reply").then(|| reply.clone())).await?;
        if let Some(error) = reply["error"].as_str() {
            bail!("{line}: {error}");
        }
        Ok(reply["value"].clone())
    }

    /// Waits until the player's state is as wanted, and returns it.
    ///
    /// # Errors
    /// Where it does not come to that: what it came to instead.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&PlayerState) -> bool) -> Result<PlayerState> {
        let course = RefCell::new(Vec::<String>::new());
        let found = self.driver.until(what, |line| {
            let state = PlayerState((line["event"] == "state").then(|| line.clone())?);
            if course.borrow().last().is_none_or(|last| !last.starts_with(state.state())) {
                course.borrow_mut().push(format!("{} at {:.3} s", state.state(), state.current_time()));
            }
            wanted(&state).then_some(state)
        });
        found.await.with_context(|| format!("the player was {}", course.borrow().join(", then ")))
    }
}
