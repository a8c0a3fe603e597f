//! `/admin/community`: the community that the node is in, and how others come in.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::visitor::{Frame, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::qr;
use crate::texts::Texts;

#[derive(Template)]
#[template(path = "admin/community.html")]
struct Community {
    t: Texts,
    page: Page,
    admin: Frame,
    name: String,
    invite: Option<String>,
    /// The invite as an SVG.
    code: Option<String>,
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    let membership = owner.ports.community.clone();
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("community"));
    // An invite is far below what fits a code.
    let code = membership.invite.as_deref().and_then(|invite| qr::svg(invite).ok());
    let community = Community { t, page, admin, name: membership.name, invite: membership.invite, code };
    owner.answer(StatusCode::OK, &community)
}
