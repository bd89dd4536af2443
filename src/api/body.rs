//! The body of a request, read within bounds of size and time.
//!
//! Invariant: no more than the limit is ever held. What is larger is let go of as it comes, so that whoever sends it
//! hears why; one that says so before, or waits to be asked for it, is answered at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header;
use hyper::body::Body as _;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::api::problem::Kind;
use crate::api::problem::Problem;

/// How much of a body that is too large is let pass before the connection is closed on it.
const MAX_LET_GO: u64 = 64 << 20;

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes.
    pub(super) most: usize,
    /// From now.
    pub(super) timeout: Duration,
}

/// Reads the whole body.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    bounds: Bounds,
) -> Result<Vec<u8>, Problem> {
    let deadline = Instant::now() + bounds.timeout;
    let most = bounds.most;
    let too_large = || Problem::new(Kind::TooLarge, format!("it holds more than {most} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|it| it.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    let is_too_large = announced > u64::try_from(most).unwrap_or(u64::MAX);
    // Whoever waits to be asked has not sent it.
    let is_held_back = headers.contains_key(header::EXPECT);
    if is_too_large && (is_held_back || announced > MAX_LET_GO) {
        return Err(too_large());
    }
    let mut kept = if is_too_large { None } else { Some(Vec::new()) };
    let mut passed: u64 = 0;
    loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        let data = match timeout_at(deadline, frame).await {
            Err(_elapsed) => {
                let what =
                    format!("it was not there after {}", crate::model::Duration(bounds.timeout));
                return Err(Problem::new(Kind::TooSlow, what));
            }
            Ok(None) => return kept.ok_or_else(too_large),
            Ok(Some(Err(_broken))) => {
                return Err(Problem::new(Kind::Unreadable, "the body broke off"));
            }
            // What is no data are trailers, which say nothing to us.
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        passed += u64::try_from(data.len()).unwrap_or(u64::MAX);
        kept = kept.filter(|kept: &Vec<u8>| kept.len() + data.len() <= most);
        match &mut kept {
            Some(kept) => kept.extend_from_slice(&data),
            None if passed > MAX_LET_GO => return Err(too_large()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { most: 4, timeout: Duration::from_secs(20) };

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        let bare = HeaderMap::new();
        assert_eq!(read(&bare, Body::from("four"), BOUNDS).await.unwrap(), b"four");
        assert_eq!(read(&bare, Body::empty(), BOUNDS).await.unwrap(), b"");
        for headers in [bare, headers(&[("content-length", "5")])] {
            let refused = read(&headers, Body::from("fives"), BOUNDS).await.unwrap_err();
            assert_eq!(refused.kind(), Kind::TooLarge);
        }
    }

    /// A body of which nothing ever comes.
    struct Never;

    impl hyper::body::Body for Never {
        type Data = axum::body::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[tokio::test]
    async fn what_does_not_come_is_not_waited_for() {
        let soon = Bounds { timeout: Duration::from_millis(10), ..BOUNDS };
        let slow = read(&HeaderMap::new(), Body::new(Never), soon).await.unwrap_err();
        assert_eq!(slow.kind(), Kind::TooSlow);
        let waits = headers(&[("content-length", "5"), ("expect", "100-continue")]);
        let refused = read(&waits, Body::new(Never), BOUNDS).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::TooLarge);
        let vast = headers(&[("content-length", "99999999999")]);
        let refused = read(&vast, Body::new(Never), BOUNDS).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::TooLarge);
    }
}
