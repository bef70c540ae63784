//! The double over HTTP, on the loopback interface.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Answered, FhirDouble};
use crate::transport::{FHIR_JSON, FORM, FhirRequest, FhirResponse};

/// The path of the base.
const BASE: &str = "/fhir";

/// A double that listens, until it is dropped.
#[derive(Debug)]
pub struct DoubleServer {
    base: String,
    task: JoinHandle<()>,
}

impl DoubleServer {
    /// Serves a double on a port of the loopback interface (0: any free one); every answer waits for `delay`.
    ///
    /// # Errors
    /// When the port is not free.
    pub async fn start(double: FhirDouble, port: u16, delay: Duration) -> io::Result<Self> {
        let tcp = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let base = format!("http://{}{BASE}", tcp.local_addr()?);
        let task = tokio::spawn(async move {
            loop {
                if let Ok((connection, _)) = tcp.accept().await {
                    tokio::spawn(serve(connection, double.clone(), delay));
                }
            }
        });
        Ok(Self { base, task })
    }

    /// Returns the base URL.
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl Drop for DoubleServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(connection: TcpStream, double: FhirDouble, delay: Duration) {
    let _ = connection.set_nodelay(true);
    let service = service_fn(move |request| {
        let double = double.clone();
        async move {
            let request = read(request).await?;
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            write(double.answer(&request).await)
        }
    });
    // A client that has gone, or an answer that was broken on purpose: nothing to say.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(connection), service)
        .await;
}

async fn read(request: Request<Incoming>) -> io::Result<FhirRequest> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map(hyper::http::uri::PathAndQuery::as_str).unwrap_or_default();
    let path = path.strip_prefix(BASE).unwrap_or(path);
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = match header(CONTENT_TYPE) {
        None => None,
        Some(text) if text.starts_with(FORM) => Some(FORM),
        Some(_) => Some(FHIR_JSON),
    };
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(FhirRequest {
        path: path.strip_prefix('/').unwrap_or(path).to_owned(),
        content_type,
        cache_control: header(CACHE_CONTROL).map(str::to_owned),
        method: parts.method,
        body,
    })
}

type Body = BoxBody<Bytes, io::Error>;

fn write(answered: Answered) -> io::Result<Response<Body>> {
    match answered {
        Answered::Nothing => Err(io::ErrorKind::ConnectionAborted.into()),
        Answered::Whole(FhirResponse { status, body }) => {
            let body = Full::new(body).map_err(|never: Infallible| match never {}).boxed();
            respond(status, None, body)
        }
        Answered::Half(FhirResponse { status, body }) => {
            let half = body.slice(..body.len() / 2);
            let frames = [Ok(Frame::data(half)), Err(io::ErrorKind::ConnectionAborted.into())];
            respond(status, Some(body.len()), BodyExt::boxed(StreamBody::new(stream::iter(frames))))
        }
    }
}

fn respond(status: hyper::StatusCode, length: Option<usize>, body: Body) -> io::Result<Response<Body>> {
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, FHIR_JSON);
    if let Some(length) = length {
        response = response.header(CONTENT_LENGTH, length);
    }
    response.body(body).map_err(io::Error::other)
}
