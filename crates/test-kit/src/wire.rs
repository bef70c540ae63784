//! A TCP connection to a server, that a test cuts, silences and mends.

use std::net::SocketAddr;

use reqwest::Url;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Carries,
    Cut,
    Swallows,
}

/// The wire, until it is dropped.
pub struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Lays a wire to the server that a URL names.
    ///
    /// # Panics
    /// When the URL names no port, or nothing can listen.
    pub async fn to(url: &str) -> Self {
        let url = Url::parse(url).expect("a URL");
        let port = url.port_or_known_default().unwrap_or(5432);
        let target = format!("{}:{port}", url.host_str().expect("a host"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (state, seen) = watch::channel(State::Carries);
        let task = tokio::spawn(async move {
            loop {
                let Ok((near, _)) = listener.accept().await else { return };
                tokio::spawn(carry(near, target.clone(), seen.clone()));
            }
        });
        Self { address, state, task }
    }

    /// Returns the URL of the same thing behind the wire.
    ///
    /// # Panics
    /// When the URL cannot have another port.
    pub fn through(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("a URL");
        url.set_port(Some(self.address.port())).expect("a URL with a port");
        url.to_string()
    }

    /// Ends all connections, and lets no new one come about.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Swallows whatever comes from now on, of old connections and new ones, and ends none: neither side hears of it.
    pub fn swallow(&self) {
        self.state.send_replace(State::Swallows);
    }

    /// Lets connections come about again. Those that were silenced stay silent for ever.
    pub fn mend(&self) {
        self.state.send_replace(State::Carries);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut near: TcpStream, target: String, mut state: watch::Receiver<State>) {
    let begins = *state.borrow_and_update();
    if begins == State::Cut {
        return; // dropped: the connection ends at once
    }
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    if begins == State::Carries {
        let silenced = tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            seen = state.wait_for(|state| *state != State::Carries) => {
                seen.is_ok_and(|state| *state == State::Swallows)
            }
        };
        if !silenced {
            return;
        }
    }
    // The server does not hear either that its client has given up.
    let _ = tokio::io::copy(&mut near, &mut tokio::io::sink()).await;
    let _ = state.wait_for(|state| *state == State::Cut).await;
    drop(far);
}
