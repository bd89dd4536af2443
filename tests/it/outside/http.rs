//! HTTP/1.1 over loopback, both ends, as little as the stories need.
//!
//! A library would not let us end a connection in the middle of an answer, and that is half of what we are for.
//!
//! Invariant: every read and write has a timeout, and no thread outlives its server.

use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the other side may be silent in the middle of a message.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names and values, in the order in which they came.
pub type Headers = Vec<(String, String)>;

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path and query, as they were sent.
    pub target: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// What a server answers.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// What a server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It answers.
    Whole(Response),
    /// It announces the whole answer and closes the connection after so many bytes of its body.
    Broken(Response, usize),
    /// It closes the connection without a word.
    Silence,
}

impl Request {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl Response {
    /// Returns an answer with a text.
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    /// Returns this answer with one more header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the body as text.
    pub fn string(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Sends `request` to `server` on a connection of its own and returns the answer.
///
/// # Errors
/// When nobody answers, or not in HTTP.
pub fn send(server: SocketAddr, request: &Request) -> io::Result<Response> {
    let mut stream = TcpStream::connect(server)?;
    set_up(&stream)?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    if header(&request.headers, "host").is_none() {
        head += &format!("Host: {server}\r\n");
    }
    for (name, value) in request.headers.iter().filter(|(name, _)| !is_of_the_hop(name)) {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", request.body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;
    let mut reader = BufReader::new(stream);
    let (first, headers) = read_head(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let has_body = request.method != "HEAD" && !matches!(status, 204 | 304);
    let body =
        if has_body { read_body(&mut reader, &headers, Length::ToTheEnd)? } else { Vec::new() };
    Ok(Response { status, headers, body })
}

/// A server on a free port of loopback; it ends when dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    is_over: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// Starts a server that answers each request with what `answer` returns.
    pub fn start(answer: impl Fn(Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            connections: Mutex::new(Vec::new()),
        });
        let (answer, seen) = (Arc::new(answer), Arc::clone(&shared));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                seen.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let answer = Arc::clone(&answer);
                // A client that goes away in the middle is no failure of the test.
                thread::spawn(move || converse(&stream, &*answer).is_ok());
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Returns its address as the beginning of a URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; whether it was still there is all the same.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap_or_default();
        }
        for stream in self.shared.connections.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }
}

fn converse(stream: &TcpStream, answer: &dyn Fn(Request) -> Reply) -> io::Result<()> {
    set_up(stream)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read_request(&mut reader, stream)? {
        let is_last = header(&request.headers, "connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let is_head = request.method == "HEAD";
        let (response, part) = match answer(request) {
            Reply::Whole(response) => (response, None),
            Reply::Broken(response, part) => (response, Some(part)),
            Reply::Silence => return stream.shutdown(Shutdown::Both),
        };
        write_response(stream, &response, part, is_head)?;
        if is_last || part.is_some() {
            return stream.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

fn write_response(
    mut stream: &TcpStream,
    response: &Response,
    part: Option<usize>,
    is_head: bool,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Told\r\n", response.status);
    let of_the_hop = |name: &str| {
        is_of_the_hop(name) && !(is_head && name.eq_ignore_ascii_case("content-length"))
    };
    for (name, value) in response.headers.iter().filter(|(name, _)| !of_the_hop(name)) {
        head += &format!("{name}: {value}\r\n");
    }
    if !is_head && response.status != 204 {
        head += &format!("Content-Length: {}\r\n", response.body.len());
    }
    let mut bytes = (head + "\r\n").into_bytes();
    let part = part.unwrap_or(response.body.len()).min(response.body.len());
    bytes.extend_from_slice(&response.body[..part]);
    stream.write_all(&bytes)
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// Headers that speak of the connection and not of the message.
fn is_of_the_hop(name: &str) -> bool {
    ["connection", "keep-alive", "transfer-encoding", "content-length", "expect"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn read_request(
    reader: &mut BufReader<TcpStream>,
    mut stream: &TcpStream,
) -> io::Result<Option<Request>> {
    let Some((first, headers)) = read_head(reader)? else { return Ok(None) };
    if header(&headers, "expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let body = read_body(reader, &headers, Length::Announced)?;
    Ok(Some(Request { method, target, headers, body }))
}

fn read_head(reader: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" if lines.is_empty() => {}
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let first = lines.remove(0);
    let headers = lines.iter().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Ok(Some((first, headers.collect())))
}

/// How long a body is that says nothing about its length.
enum Length {
    Announced,
    ToTheEnd,
}

fn read_body(reader: &mut impl BufRead, headers: &Headers, length: Length) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if header(headers, "transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            reader.take(size).read_to_end(&mut body)?;
            let mut end = String::new();
            reader.read_line(&mut end)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let announced = header(headers, "content-length").and_then(|value| value.parse::<u64>().ok());
    match (announced, length) {
        (Some(size), _) => reader.take(size).read_to_end(&mut body)?,
        (None, Length::Announced) => 0,
        (None, Length::ToTheEnd) => reader.read_to_end(&mut body)?,
    };
    Ok(body)
}
