//! W3C trace context: taken from a request or made, in every log line, handed on to whoever is called.
//!
//! Here the ids travel; [`crate::spans`] sends what was done under them. Source: W3C Trace Context, level 1, §3.2.

use std::fmt;

use uuid::Uuid;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The header.
pub const TRACEPARENT: &str = "traceparent";

/// A trace and the span in it that is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    span_id: String,
    /// The span that this one was begun by; unknown of a caller's.
    parent: Option<String>,
}

impl TraceContext {
    /// Begins a trace.
    pub fn begin() -> Self {
        Self { trace_id: Uuid::new_v4().simple().to_string(), span_id: span_id(), parent: None }
    }

    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; all-zero ids and other versions' `ff` are refused.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|b| b != b'0');
        let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        (is_known && is_id(trace_id, 32) && is_id(span_id, 16) && is_hex(flags, 2)).then(|| Self {
            trace_id: trace_id.to_owned(),
            span_id: span_id.to_owned(),
            parent: None,
        })
    }

    /// Returns a span of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { trace_id: self.trace_id.clone(), span_id: span_id(), parent: Some(self.span_id.clone()) }
    }

    /// Returns the trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// Returns the span's id, 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        &self.span_id
    }

    /// Returns the id of the span that this one was begun by.
    pub fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    /// Runs a future as this span: [`current`] returns it, and each log line names the trace.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        use tracing::Instrument as _;
        let span = tracing::info_span!("trace", trace_id = self.trace_id);
        CURRENT.scope(self, work.instrument(span)).await
    }
}

/// Returns the span that is at work here.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Takes the span that is at work here along to a task of its own.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let here = current();
    async move {
        match here {
            Some(trace) => trace.scope(work).await,
            None => work.await,
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", self.trace_id, self.span_id)
    }
}

/// Half of a random UUID, which is never all zeros: its version stands in it.
fn span_id() -> String {
    let mut id = Uuid::new_v4().simple().to_string();
    id.truncate(16);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_back_and_a_child_keeps_the_trace() {
        let context = TraceContext::begin();
        assert_eq!(TraceContext::parse(&context.to_string()).unwrap(), context);
        let child = context.child();
        assert_eq!(child.trace_id(), context.trace_id());
        assert_eq!(child.parent(), Some(context.span_id()));
        assert_ne!(child, context);
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(TraceContext::parse(good).is_some());
        assert!(TraceContext::parse(&good.replacen("00", "01", 1)).is_some(), "a later version");
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
