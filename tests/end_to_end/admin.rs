//! The owner's pages, in a browser, of a node that publishes to another.

use anyhow::{Context as _, Result, ensure};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;

use crate::{enter, node, viewer_of};

#[tokio::test]
async fn the_owner_makes_a_key_renames_and_ends_a_broadcast_and_hides_a_comment() -> Result<()> {
    let a = node("publisher").await?;
    let b = viewer_of(&a).await?;
    let mut at_b = Events::of(&b).await?;

    let mut browser = enter(&a).await?;

    browser.goto(&format!("{}/admin/keys", a.web())).await?;
    browser.fill("#name", "hall").await?;
    browser.click("form[action='/admin/keys'] button").await?;
    browser.wait_for("#made-url").await?;
    let url = browser.eval("document.getElementById('made-url').value").await?;
    let _publisher = Ffmpeg::publish(url.as_str().context("an address to publish at")?, &Picture::default())?;
    let slug = at_b.live_broadcast().await?;

    let page = format!("{}/admin/broadcasts/{slug}", a.web());
    browser.goto(&page).await?;
    browser.fill("#title", "Assembly of the valley").await?;
    browser.click(&format!("form[action='/admin/broadcasts/{slug}'] button")).await?;
    browser.wait_for("p.notice[role=status]").await?;
    let renamed = |event: &serde_json::Value| event.to_string().contains("Assembly of the valley").then_some(());
    at_b.until("the new title", renamed).await?;
    let watched = b.get_text(&format!("/watch/{slug}")).await?;
    ensure!(watched.contains("Assembly of the valley"), "{watched}");

    // What comes in while the owner watches can be hidden there and then.
    browser.goto(&format!("{}/watch/{slug}", a.web())).await?;
    browser.wait_for("[data-player-state]").await?;
    a.cli(&["post", "Said in haste", "--broadcast", &slug]).await?;
    browser.click("li.post.fresh a.hide").await?;
    browser.click("main form button[value=yes]").await?;
    browser.wait_for(".talk [data-none]").await?;
    let here = browser.eval("location.pathname").await?;
    ensure!(here == format!("/watch/{slug}"), "led to {here}");

    browser.goto(&format!("{}/admin/posts?broadcast={slug}", a.web())).await?;
    browser.fill("#text", "A word too much").await?;
    browser.click("form[action='/admin/posts'] button").await?;
    browser.wait_for("p.notice[role=status]").await?;
    let comments = format!("/api/v1/broadcasts/{slug}/comments");
    ensure!(a.get_text(&comments).await?.contains("A word too much"), "the comment is not there");
    browser.goto(&page).await?;
    browser.click("li[id^=comment-] button[value=yes]").await?;
    browser.wait_for("p.notice[role=status]").await?;
    ensure!(!a.get_text(&comments).await?.contains("A word too much"), "the comment is still shown");

    browser.goto(&format!("{page}/end")).await?;
    browser.click("main form button.danger").await?;
    browser.wait_for("p.notice[role=status]").await?;
    let is_over = |event: &serde_json::Value| {
        let text = event.to_string();
        (text.contains(&slug) && text.contains(r#""state":"ended""#)).then_some(())
    };
    at_b.until("the end", is_over).await?;
    let mut wrong = browser.errors().await?;
    // What is not here yet is answered so, and asked for again.
    wrong.retain(|error| !error.contains("status of 503"));
    ensure!(wrong.is_empty(), "{wrong:?}");
    Ok(())
}

#[tokio::test]
async fn the_overview_shows_who_publishes_while_it_is_open() -> Result<()> {
    let a = node("publisher").await?;
    let mut browser = enter(&a).await?;
    browser.goto(&format!("{}/admin", a.web())).await?;
    browser.wait_for("[data-fresh=air] .empty").await?;
    browser.eval("document.body.dataset.opened = 'once'").await?;
    let key = a.add_key("hall").await?;
    let _publisher = Ffmpeg::publish(&a.rtmp("hall", &key), &Picture::default())?;
    let shown = "document.body.dataset.opened + document.querySelector('[data-fresh=air]').textContent";
    browser.until_eval(shown, |text| text.as_str().is_some_and(|text| text.contains("LUFS"))).await?;
    let shown = browser.eval(shown).await?;
    ensure!(shown.as_str().is_some_and(|text| text.starts_with("once")), "the page was loaded anew: {shown}");
    let errors = browser.errors().await?;
    ensure!(errors.is_empty(), "{errors:?}");
    Ok(())
}
