//! The drawings of the mesh: what is chosen in one of them is told, and shown in the other.

use serde_json::json;
use testkit::browser::{Browser, Settings};

use crate::Gallery;

/// What is told of the node that is chosen, how many spots are marked, and where its pages are.
const TOLD: &str = "(() => {
    const facts = document.querySelector('#facts');
    return {
        name: facts.querySelector('h2')?.textContent ?? '',
        hostile: facts.querySelectorAll('i').length,
        links: facts.textContent.includes('212 ms'),
        pages: facts.querySelector('a')?.href ?? '',
        marked: document.querySelectorAll('.halo').length,
        touched: document.querySelectorAll('#topology .link.touched').length,
    };
})()";

fn choose(index: usize) -> String {
    format!(
        "((menu) => {{ menu.selectedIndex = {index}; menu.dispatchEvent(new Event('change')); }})(document.querySelector('#chosen'))"
    )
}

#[tokio::test]
async fn a_node_that_is_chosen_is_marked_in_both_drawings_and_told_of_as_text() {
    let gallery = Gallery::open();
    let mut browser = Browser::open_with(&gallery.url("/mesh"), &Settings::default()).await.unwrap();
    browser.wait_for("#topology .spot.own").await.unwrap();
    let drawn = "['#map', '#topology'].map((place) => document.querySelectorAll(`${place} .spot`).length)";
    assert_eq!(browser.eval(drawn).await.unwrap(), json!([12, 19]), "those with a place, and all");

    // After the line of none.
    browser.eval(&choose(4)).await.unwrap();
    let told = browser.until_eval(TOLD, |told| told["marked"] == 2).await.unwrap();
    let expected = json!({
        "name": "co-op-roof-with-a-long-name.north", "hostile": 0, "links": true,
        "pages": "http://[fc00:1234::3]:8080/", "marked": 2, "touched": 4,
    });
    assert_eq!(told, expected);
    browser.eval(&choose(5)).await.unwrap();
    let told = browser.until_eval(TOLD, |told| told["marked"] == 1).await.unwrap();
    assert_eq!((&told["name"], &told["hostile"]), (&json!("<i>mill</i>"), &json!(0)), "it has no place");

    browser.eval("document.querySelector('#map .reach').dispatchEvent(new MouseEvent('click'))").await.unwrap();
    let told = browser.until_eval(TOLD, |told| told["name"] == "roof <north>").await.unwrap();
    assert_eq!((&told["pages"], &told["marked"]), (&json!(""), &json!(2)), "{told}");
    let chosen = browser.eval("document.querySelector('#chosen').selectedIndex").await.unwrap();
    assert_eq!(chosen, 1, "the menu says the same");
}
