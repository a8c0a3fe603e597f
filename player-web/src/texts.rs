//! What pages say, in the languages that there is a catalogue for (`texts/*.ftl`).
//!
//! Comes in: a request, for the language that its sender reads; a key and the values that go into the text. Goes out:
//! text, never markup: templates escape it as any other text. Each language is parsed once and shared.
//!
//! In a handler [`Texts`] is an extractor. A template that has it as its field `t` says `{{ t.get("home-title") }}`, or
//! `{{ t.get("on-node").arg("node", name) }}`. A key is always written out behind `t.get(`: a test looks for each of
//! them in the catalogues.

mod language;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::LazyLock;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

pub(crate) use language::{LANGUAGES, Language};

use crate::assets::TEXTS;

/// How long a browser remembers the language that its user chose: a year, in seconds.
const REMEMBERED_S: u32 = 31_536_000;

static CATALOGUES: LazyLock<Vec<FluentBundle<FluentResource>>> =
    LazyLock::new(|| LANGUAGES.iter().map(catalogue).collect());

fn catalogue(language: &Language) -> FluentBundle<FluentResource> {
    let code = language.code.parse().expect("the codes in the table are language tags, as a test sees");
    let mut bundle = FluentBundle::new_concurrent(vec![code]);
    // A part that is not Fluent is left out; a test has it that there is none.
    let resource = FluentResource::try_new(language.source.to_owned()).unwrap_or_else(|(rest, _)| rest);
    bundle.add_resource_overriding(resource);
    bundle
}

/// The texts of one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Texts {
    index: usize,
    /// Named in the request's address, so to be remembered.
    chosen: bool,
}

impl Texts {
    /// The texts in the language that a request asks for, by its address, its cookie, or its header.
    pub(crate) fn of(query: Option<&str>, headers: &HeaderMap) -> Self {
        let chosen = query.and_then(language::from_query);
        let index = chosen.or_else(|| language::from_cookie(headers)).or_else(|| language::from_accept(headers));
        Self { index: index.unwrap_or_default(), chosen: chosen.is_some() }
    }

    fn language(self) -> &'static Language {
        LANGUAGES.get(self.index).unwrap_or(&LANGUAGES[0])
    }

    /// The language's tag (BCP 47), for `lang` attributes.
    pub(crate) fn lang(self) -> &'static str {
        self.language().code
    }

    /// The direction of its script, for `dir` attributes.
    pub(crate) fn dir(self) -> &'static str {
        self.language().dir
    }

    /// The address of the part of its catalogue that scripts show.
    pub(crate) fn asset(self) -> &'static str {
        TEXTS.iter().find(|(code, _)| *code == self.lang()).map_or("", |(_, path)| path)
    }

    /// A text.
    pub(crate) fn get(self, key: &'static str) -> Text {
        Text { texts: self, key, args: FluentArgs::new() }
    }

    /// Says in an answer's headers what its language depends on, and has the browser remember one that was chosen.
    pub(crate) fn label(self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.lang()));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        let cookie = format!("lang={}; Path=/; Max-Age={REMEMBERED_S}; SameSite=Lax", self.lang());
        if let (true, Ok(cookie)) = (self.chosen, HeaderValue::try_from(cookie)) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Texts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.query(), &parts.headers))
    }
}

/// A text with its values, to be displayed.
pub(crate) struct Text {
    texts: Texts,
    key: &'static str,
    args: FluentArgs<'static>,
}

impl Text {
    /// Gives a value that the text names.
    pub(crate) fn arg(mut self, name: &'static str, value: impl Argument) -> Self {
        self.args.set(name, value.into_value());
        self
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bundle = CATALOGUES.get(self.texts.index).and_then(|bundle| Some((bundle, bundle.get_message(self.key)?)));
        // The key tells more than nothing, where a text is not there.
        let Some((bundle, pattern)) = bundle.and_then(|(bundle, message)| Some((bundle, message.value()?))) else {
            return f.write_str(self.key);
        };
        f.write_str(&bundle.format_pattern(pattern, Some(&self.args), &mut Vec::new()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({:?} in {})", self.key, self.texts.lang())
    }
}

/// A value that goes into a text, as templates pass it.
pub(crate) trait Argument {
    fn into_value(self) -> FluentValue<'static>;
}

/// The text without characters that would end the isolation that Fluent puts round it (UAX #9, §3.1), and have a
/// foreign name reorder what stands beside it.
fn isolated(text: &str) -> String {
    text.chars().filter(|char| !matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).collect()
}

impl Argument for &str {
    fn into_value(self) -> FluentValue<'static> {
        FluentValue::String(Cow::Owned(isolated(self)))
    }
}

impl Argument for String {
    fn into_value(self) -> FluentValue<'static> {
        self.as_str().into_value()
    }
}

impl Argument for Text {
    fn into_value(self) -> FluentValue<'static> {
        self.to_string().into_value()
    }
}

/// Templates pass what they name by reference.
impl<T: ?Sized> Argument for &&T
where
    for<'a> &'a T: Argument,
{
    fn into_value(self) -> FluentValue<'static> {
        (*self).into_value()
    }
}

impl Argument for &String {
    fn into_value(self) -> FluentValue<'static> {
        self.as_str().into_value()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Argument for $number {
            fn into_value(self) -> FluentValue<'static> {
                FluentValue::from(self)
            }
        }

        impl Argument for &$number {
            fn into_value(self) -> FluentValue<'static> {
                FluentValue::from(*self)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, usize);
