//! A real browser: headless Chromium with a page open, through `tests/browser/watch.mjs`.

use anyhow::Result;
use serde_json::Value;
use tokio::process::Command;

use crate::child::{JsonChild, repository};

/// A page in a browser.
#[derive(Debug)]
pub struct Browser {
    driver: JsonChild,
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
    /// Opens a page. With `websocket` false, its script finds none.
    ///
    /// # Errors
    /// Where the browser or the driver is not installed, or the page does not load.
    pub async fn open(url: &str, websocket: bool) -> Result<Self> {
        let folder = repository().join("tests/browser");
        let mut command = Command::new("node");
        command.arg(folder.join("watch.mjs")).arg(url).args(["--every", "0.5"]);
        if !websocket {
            command.arg("--no-websocket");
        }
        let driver = JsonChild::spawn("the browser", command, &folder.join("node_modules"))?;
        let mut browser = Self { driver };
        browser.driver.until("the page", |line| (line["event"] == "open").then_some(())).await?;
        Ok(browser)
    }

    /// Opens another page in the same tab.
    ///
    /// # Errors
    /// Where it does not load.
    pub async fn goto(&mut self, url: &str) -> Result<()> {
        self.command(&format!("goto {url}")).await
    }

    /// Presses play.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn play(&mut self) -> Result<()> {
        self.command("play").await
    }

    /// Closes the page's WebSockets; it finds none from then on.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn drop_websockets(&mut self) -> Result<()> {
        self.command("drop-websockets").await
    }

    /// Evaluates an expression on the page, and returns its value.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn eval(&mut self, expression: &str) -> Result<Value> {
        self.driver.send(&format!("eval {expression}")).await?;
        self.driver.until(expression, |reply| (reply["event"] == "reply").then(|| reply["value"].clone())).await
    }

    /// Presses a button.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn press(&mut self, id: &str) -> Result<()> {
        self.eval(&format!("document.getElementById('{id}').click()")).await.map(|_| ())
    }

    async fn command(&mut self, line: &str) -> Result<()> {
        self.driver.send(line).await?;
        self.driver.until(line, |reply| (reply["event"] == "reply").then_some(())).await
    }

    /// Waits until the player's state is as wanted, and returns it.
    ///
    /// # Errors
    /// Where it does not come to that.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&PlayerState) -> bool) -> Result<PlayerState> {
        self.driver
            .until(what, |line| {
                let state = PlayerState((line["event"] == "state").then(|| line.clone())?);
                wanted(&state).then_some(state)
            })
            .await
    }
}
