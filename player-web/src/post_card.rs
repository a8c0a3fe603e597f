//! Posts and comments as pages show them: rendered, with who wrote them and the broadcast that they tell of.

use serde::Deserialize;
use stream_model::{Post, TimelineCursor};

use crate::app::Ports;
use crate::card::{Card, card, time};
use crate::people::{People, Person};
use crate::post_view::{self, PostView};
use crate::texts::Texts;

/// Which page of posts is asked for.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Before {
    pub(crate) before: Option<TimelineCursor>,
}

/// A post on a page.
#[derive(Debug)]
pub(crate) struct PostCard {
    pub(crate) post: PostView,
    pub(crate) author: Person,
    /// The broadcast that it tells of.
    pub(crate) card: Option<Card>,
    /// The post on the same page that it answers.
    pub(crate) answers: Option<Answered>,
}

/// A post that is answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) name: String,
    pub(crate) href: String,
}

impl PostCard {
    /// Its key, as it stands in addresses.
    pub(crate) fn slug(&self) -> String {
        self.post.key.slug()
    }

    /// When it was written, as HTML.
    pub(crate) fn time(&self, t: &Texts) -> String {
        time(self.post.written_at, *t)
    }
}

/// Posts with the broadcasts that they tell of. `None` where they cannot be rendered.
pub(crate) async fn posts(ports: &Ports, posts: Vec<Post>) -> Option<Vec<PostCard>> {
    let told: Vec<_> = posts.iter().map(|post| post.broadcast.filter(|_| post.root.is_none())).collect();
    let listings: Vec<_> = told.iter().map(|told| told.and_then(|id| ports.directory.listing(&id))).collect();
    let people = People::of(&*ports.timeline, listings.iter().flatten().map(|listing| listing.author)).await;
    let mut cards = comments(ports, posts).await?;
    for (post, listing) in cards.iter_mut().zip(listings) {
        post.card = listing.map(|listing| card(ports, listing, &people));
    }
    Some(cards)
}

/// Posts alone: what they comment on is what stands above them.
pub(crate) async fn comments(ports: &Ports, posts: Vec<Post>) -> Option<Vec<PostCard>> {
    let views = post_view::render(ports.directory.clone(), posts).await?;
    let answered = |view: &PostView| {
        let key = view.branches.iter().find(|key| Some(**key) != view.root)?;
        let other = views.iter().find(|other| other.key == *key)?;
        Some(Answered { name: Person::from(&other.author).label(), href: format!("#post-{}", key.slug()) })
    };
    let answers: Vec<_> = views.iter().map(answered).collect();
    let card = |(post, answers): (PostView, Option<Answered>)| PostCard {
        author: Person::from(&post.author),
        post,
        card: None,
        answers,
    };
    Some(views.into_iter().zip(answers).map(card).collect())
}
