//! A post as it is shown: in the JSON of `/api/v1` and `/ws`, with its text as HTML.

use std::sync::Arc;

use serde::Serialize;
use stream_model::{
    Author, BlobId, BroadcastId, Directory, FeedId, MessageKey, Post, Profile, TimelineCursor, WallTime,
};

use crate::markdown;

/// The JSON of one post. Field names are an outside interface: more may be added, none renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PostView {
    pub(crate) key: MessageKey,
    pub(crate) cursor: TimelineCursor,
    pub(crate) author: AuthorView,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) written_at: WallTime,
    pub(crate) root: Option<MessageKey>,
    pub(crate) branches: Vec<MessageKey>,
    pub(crate) channel: Option<String>,
    pub(crate) mentions: Vec<String>,
    pub(crate) broadcast: Option<String>,
    pub(crate) replies: u32,
    pub(crate) votes: u32,
}

/// The JSON of who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AuthorView {
    pub(crate) feed: FeedId,
    pub(crate) name: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) own: bool,
}

/// The JSON of what a feed says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProfileView {
    #[serde(flatten)]
    author: AuthorView,
    description: Option<String>,
}

/// Posts as they are shown; `None` where that failed. A page of the longest texts takes a core some 100 ms, which no other
/// connection is to wait for.
pub(crate) async fn render(directory: Arc<dyn Directory>, posts: Vec<Post>) -> Option<Vec<PostView>> {
    let render = move || posts.into_iter().map(|post| PostView::new(post, &*directory)).collect();
    tokio::task::spawn_blocking(render).await.ok()
}

impl PostView {
    /// Renders the text: some milliseconds for the longest.
    pub(crate) fn new(post: Post, directory: &dyn Directory) -> Self {
        let html = markdown::render(&post.text, |broadcast| directory.listing(broadcast).is_some());
        Self {
            key: post.key,
            cursor: post.cursor,
            author: post.author.into(),
            html,
            text: post.text,
            written_at: post.written_at,
            root: post.root,
            branches: post.branches,
            channel: post.channel,
            mentions: post.mentions,
            broadcast: post.broadcast.as_ref().map(BroadcastId::slug),
            replies: post.replies,
            votes: post.votes,
        }
    }
}

impl From<Author> for AuthorView {
    fn from(author: Author) -> Self {
        let Author { feed, name, image, own } = author;
        Self { feed, name, image: image.as_ref().map(picture_path), own }
    }
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        Self { author: profile.author.into(), description: profile.description }
    }
}

/// Where this node serves a picture.
fn picture_path(blob: &BlobId) -> String {
    format!("/blobs/{}", blob.slug())
}
