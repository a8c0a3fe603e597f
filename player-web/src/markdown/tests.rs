use proptest::prelude::*;

use super::*;

fn html(markdown: &str) -> String {
    render(markdown, |_| false)
}

#[track_caller]
fn check(markdown: &str, expected: &str) {
    assert_eq!(html(markdown).trim_end(), expected);
}

#[test]
fn markdown_is_rendered() {
    check(
        "# Hi\n\n*a* **b** ~~c~~ `d`",
        "<h1>Hi</h1>\n<p><em>a</em> <strong>b</strong> <del>c</del> <code>d</code></p>",
    );
    check("one\ntwo", "<p>one<br>\ntwo</p>");
    check("> quoted\n\n- x\n- y", "<blockquote>\n<p>quoted</p>\n</blockquote>\n<ul>\n<li>x</li>\n<li>y</li>\n</ul>");
    check("3. x", "<ol start=\"3\">\n<li>x</li>\n</ol>");
    check("```js\nlet a = 1 < 2;\n```", "<pre><code>let a = 1 &lt; 2;\n</code></pre>");
}

#[test]
fn links_lead_to_the_web_and_to_ssb_programs() {
    let link = |to: &str, text: &str| format!("<p><a href=\"{to}\" rel=\"{REL}\">{text}</a></p>");
    check("[site](https://a.example/x?y=1 'title')", &link("https://a.example/x?y=1", "site"));
    check("http://10.0.0.5:8080/watch/x", &link("http://10.0.0.5:8080/watch/x", "http://10.0.0.5:8080/watch/x"));
    check("<http://[fc00::1]:8080/x>", &link("http://[fc00::1]:8080/x", "http://[fc00::1]:8080/x"));
    let (feed, key) = (FeedId([0xfb; 32]), MessageKey([0xff; 32]));
    let in_uri = |text: String| text[1..45].replace('+', "-").replace('/', "_");
    check(&format!("[@ann]({feed})"), &link(&format!("ssb:feed/ed25519/{}", in_uri(feed.to_string())), "@ann"));
    check(&format!("[that]({key})"), &link(&format!("ssb:message/sha256/{}", in_uri(key.to_string())), "that"));
    let blob = key.to_string().replace('%', "&");
    check(&format!("[file]({blob})"), &link(&format!("ssb:blob/sha256/{}", in_uri(key.to_string())), "file"));
}

#[test]
fn a_broadcast_that_is_known_is_linked_to_its_page() {
    let broadcast = BroadcastId(MessageKey([7; 32]));
    let html = render(&format!("[watch]({broadcast})"), |id| *id == broadcast);
    assert_eq!(html.trim_end(), format!("<p><a href=\"/watch/{}\" rel=\"{REL}\">watch</a></p>", broadcast.slug()));
}

#[test]
fn links_to_anything_else_are_their_words() {
    for url in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#x0A;script:alert(1)",
        "&#106;avascript:alert(1)",
        "data:text/html,alert(1)",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/control/keys",
        "\\\\evil",
        "mailto:a@b.example",
        "ssb:x",
        "blob:http://x",
        "%bad",
        "",
    ] {
        check(&format!("[words](<{url}>)"), "<p>words</p>");
    }
    check(
        "a@b.example www.a.example",
        &format!("<p>a@b.example <a href=\"http://www.a.example\" rel=\"{REL}\">www.a.example</a></p>"),
    );
}

#[test]
fn pictures_are_never_loaded() {
    check("![a *cat*](https://tracker.example/x.png)", "<p>a <em>cat</em></p>");
    check(
        "[![cat](http://x/a.png)](https://a.example)",
        &format!("<p><a href=\"https://a.example\" rel=\"{REL}\">cat</a></p>"),
    );
}

#[test]
fn html_in_a_text_is_shown_as_text() {
    check("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>");
    for vector in include_str!("vectors.txt").lines() {
        let html = html(vector);
        assert_harmless(&html);
        // Inside a paragraph, a link's words and code, where escaping differs.
        for framed in
            [format!("a {vector} b"), format!("[{vector}](http://x)"), format!("`{vector}`"), format!("- {vector}")]
        {
            assert_harmless(&render(&framed, |_| true));
        }
    }
}

#[test]
fn deep_nesting_is_shown_as_it_was_written() {
    for opening in [">", "- ", "[", "*", "1. ", "![", "> - "] {
        let html = html(&opening.repeat(8_000));
        assert!(html.len() < 200_000, "{opening}: {}", html.len());
        assert_harmless(&html);
    }
    assert!(html(&">".repeat(1_000)).starts_with("<pre>&gt;"));
    assert!(html("> > > three").contains("<blockquote>"));
}

#[test]
fn the_fuzzing_corpus_is_rendered_without_harm() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/markdown");
    let mut replayed = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        exercise(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 5, "{replayed} of the corpus");
}

#[test]
fn a_text_is_cut_at_a_character() {
    assert!(html(&"日".repeat(40_000)).len() <= MAX_BYTES + 100);
}

proptest! {
    #[test]
    fn whatever_is_written_nothing_harmful_is_shown(text in "[ -~\n]{0,300}") {
        assert_harmless(&html(&text));
    }

    #[test]
    fn pieces_of_markup_in_any_order_do_no_harm(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "<", ">", "\"", "'", "`", "```\n", "[", "](", ")", "!", "javascript:", "&#106;", "&lt;", "<script>", "</p>", "<img src=x ",
            "onerror=", "alert(1)", "\n\n", "> ", "- ", "http://x", "<http://", "|", "|-|\n", "\\", "<!--", "-->", "<![CDATA[", "&", "a",
        ]), 0..60)
    ) {
        assert_harmless(&html(&pieces.concat()));
    }
}
