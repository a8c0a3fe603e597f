//! The cookies of a request (RFC 6265 §4.2).

use axum::http::{HeaderMap, header};

/// The values of the cookies of this name, in the order in which they were sent.
pub(crate) fn named<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let sent = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    sent.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(move |(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        assert_eq!(named(&headers, "a").next(), None);
        headers.append(header::COOKIE, HeaderValue::from_static("b=1; a=2=3;c"));
        headers.append(header::COOKIE, HeaderValue::from_static("d=\"4\""));
        assert_eq!(named(&headers, "a").next(), Some("2=3"));
        assert_eq!(named(&headers, "d").next(), Some("\"4\""));
        assert_eq!(named(&headers, "c").next(), None);
        assert_eq!(named(&headers, "aa").next(), None);
    }
}
