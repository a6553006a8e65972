//! The body of an answer: nothing, bytes in memory, or chunks as they come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::error::{Error, Result};

type Chunks = Pin<Box<dyn HttpBody<Data = Bytes, Error = Error> + Send>>;

/// The body of an answer.
pub enum Body {
    /// Bytes in memory; none for an empty body.
    Bytes(Bytes),
    /// Chunks that are made when the client has taken the ones before.
    Chunks(Chunks),
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self::Bytes(Bytes::new())
    }

    /// Chunks from `next`, which gets the state back each time, until it says `None`. An error breaks the
    /// connection off, so that the client knows that something is missing. Dropping the body drops the
    /// state, also in the middle of a wait.
    pub fn chunks<S, F, Next>(state: S, next: F) -> Self
    where
        S: Send + 'static,
        F: Fn(S) -> Next + Send + 'static,
        Next: Future<Output = Result<Option<(Bytes, S)>>> + Send + 'static,
    {
        let waiting = Box::pin(next(state));
        Self::Chunks(Box::pin(Unfold {
            next,
            waiting: Some(waiting),
            state: std::marker::PhantomData,
        }))
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Chunks(chunks) => chunks.as_mut().poll_frame(ctx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Chunks(_) => SizeHint::default(),
        }
    }
}

struct Unfold<S, F, Next> {
    next: F,
    waiting: Option<Pin<Box<Next>>>,
    state: std::marker::PhantomData<fn(S) -> S>,
}

// Nothing in it is pinned in place: the future is boxed.
impl<S, F, Next> Unpin for Unfold<S, F, Next> {}

impl<S, F, Next> HttpBody for Unfold<S, F, Next>
where
    F: Fn(S) -> Next,
    Next: Future<Output = Result<Option<(Bytes, S)>>>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Some(waiting) = &mut self.waiting else {
            return Poll::Ready(None);
        };
        let Poll::Ready(made) = waiting.as_mut().poll(ctx) else {
            return Poll::Pending;
        };
        let (chunk, state) = match made {
            Ok(Some(made)) => made,
            Ok(None) => {
                self.waiting = None;
                return Poll::Ready(None);
            }
            Err(e) => {
                self.waiting = None;
                log::warn!(ERROR_KIND = e.kind().name(); "an answer was broken off: {e:#}");
                return Poll::Ready(Some(Err(e)));
            }
        };
        // The box is used again: a stream of a day costs one allocation.
        let next = (self.next)(state);
        if let Some(waiting) = &mut self.waiting {
            waiting.set(next);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn chunks_come_in_order_and_end() {
        let body = Body::chunks(0u8, async |n| {
            Ok((n < 3).then(|| (Bytes::from(vec![n]), n + 1)))
        });
        assert_eq!(body.collect().await.unwrap().to_bytes(), vec![0, 1, 2]);
    }

    #[tokio::test]
    async fn dropping_the_body_drops_the_state_in_the_middle_of_a_wait() {
        let state = std::sync::Arc::new(());
        let weak = std::sync::Arc::downgrade(&state);
        let mut body = Body::chunks(state, |state| async move {
            std::future::pending::<()>().await;
            Ok(Some((Bytes::new(), state)))
        });
        let mut ctx = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut ctx).is_pending());
        assert!(weak.upgrade().is_some());
        drop(body);
        assert!(weak.upgrade().is_none());
    }
}
