//! What of a request's body nobody has read, once it is answered.
//!
//! A connection that is closed on a client that still sends is reset, and the answer may be lost
//! with it. So what is left of a refused request is read and thrown away, within bounds.

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use futures_util::StreamExt;
use futures_util::stream::Stream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The most that is thrown away, in bytes; the connection of a longer one is closed.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long is waited for it.
const TIME_MAX: Duration = Duration::from_secs(2);

/// A body that is read elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Unread(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    data: BodyDataStream,
    ended: bool,
    /// The client sends nothing before it is told to, and need not be.
    held_back: bool,
}

impl Unread {
    /// Watches how far the body of `request` is read; none where there is no body.
    pub(super) fn watch(request: Request) -> (Request, Option<Self>) {
        if request.body().is_end_stream() {
            return (request, None);
        }
        let (parts, body) = request.into_parts();
        let held_back = parts.headers.contains_key(header::EXPECT);
        let state = State { data: body.into_data_stream(), ended: false, held_back };
        let unread = Self(Arc::new(Mutex::new(state)));
        (Request::from_parts(parts, Body::from_stream(unread.clone())), Some(unread))
    }

    /// Throws away what was not read; whether the connection can serve another request.
    pub(super) async fn discard(mut self) -> bool {
        {
            let State { ended, held_back, .. } =
                *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if ended || held_back {
                return ended;
            }
        }
        let all = async {
            let mut bytes = 0_usize;
            while let Some(Ok(data)) = self.next().await {
                bytes = bytes.saturating_add(data.len());
                if bytes > BYTES_MAX {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(TIME_MAX, all).await.unwrap_or(false)
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let data = ready!(Pin::new(&mut state.data).poll_next(cx));
        state.ended |= !matches!(data, Some(Ok(_)));
        Poll::Ready(data)
    }
}
