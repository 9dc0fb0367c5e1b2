//! A server whose every byte the test decides.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// What a peer does once it has read a request.
pub(crate) enum Reply {
    /// Writes these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Writes these bytes again and again, for as long as somebody reads them, after the first.
    Endless(&'static str, Vec<u8>),
    /// Writes these bytes, then keeps the connection and says nothing more.
    Stall(&'static str),
    /// Writes what the test gives, as it gives it, and closes the connection when it gives no more.
    Fed(mpsc::UnboundedReceiver<&'static str>),
}

pub(crate) struct Peer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// A server that answers each request, given as text, with what `reply` makes of it.
    pub(crate) async fn start<F, R>(reply: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send,
    {
        Self::serve(None, reply).await
    }

    /// The same, over TLS.
    pub(crate) async fn start_tls(config: rustls::ServerConfig, answer: Vec<u8>) -> Self {
        let reply = move |_| {
            let answer = answer.clone();
            async { Reply::Bytes(answer) }
        };
        Self::serve(Some(TlsAcceptor::from(Arc::new(config))), reply).await
    }

    /// A server that always answers the same.
    pub(crate) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_| {
            let answer = answer.clone();
            async { Reply::Bytes(answer) }
        })
        .await
    }

    /// A server whose one answer the test feeds.
    pub(crate) async fn fed() -> (Self, mpsc::UnboundedSender<&'static str>) {
        let (feed, pieces) = mpsc::unbounded_channel();
        let pieces = Mutex::new(Some(pieces));
        let peer = Self::start(move |_| {
            let pieces = pieces.lock().expect("pieces").take();
            async { Reply::Fed(pieces.expect("one request")) }
        })
        .await;
        (peer, feed)
    }

    async fn serve<F, R>(tls: Option<TlsAcceptor>, reply: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, reply) = (Arc::clone(&requests), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, kept, reply) = (tls.clone(), Arc::clone(&kept), Arc::clone(&reply));
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &kept, &*reply).await,
                        // A client that does not trust the certificate ends the conversation here.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, &kept, &*reply).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What arrived so far: head in lower case, body as it is.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }
}

/// A whole response with a body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    response("200 OK", "", body)
}

/// A redirect.
pub(crate) fn redirect(status: &str, location: &str) -> Vec<u8> {
    response(status, &format!("location: {location}\r\n"), "")
}

/// A whole response; `headers` are whole lines.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

async fn converse<S, F, R>(mut stream: S, kept: &Mutex<Vec<String>>, reply: &F) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(String) -> R,
    R: Future<Output = Reply>,
{
    let request = read_request(&mut stream).await?;
    kept.lock().expect("requests").push(request.clone());
    match reply(request).await {
        Reply::Bytes(bytes) => stream.write_all(&bytes).await?,
        Reply::Endless(head, bytes) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&bytes).await?;
            }
        }
        Reply::Stall(bytes) => {
            stream.write_all(bytes.as_bytes()).await?;
            std::future::pending().await
        }
        Reply::Fed(mut pieces) => {
            while let Some(piece) = pieces.recv().await {
                stream.write_all(piece.as_bytes()).await?;
            }
        }
    }
    stream.shutdown().await
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(head + &String::from_utf8_lossy(&body))
}
