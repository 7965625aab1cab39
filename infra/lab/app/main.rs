//! The service that the lab's fleets run: a small HTTP server whose behaviour comes from its environment.
//!
//! It is process 1 of its container, without an init, so it handles SIGTERM itself: it stops listening, lets requests
//! in flight finish, and exits 0. `APP_MODE` makes it misbehave in one of the ways a bad release does.
//!
//! APP_VERSION  what `/` answers with              APP_PORT  8080 unless set
//! APP_MODE     ok | exit | unhealthy | crash-after:MS | slow-start:MS | ignore-term | unhealthy-after:MS

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::raw::c_int;
use std::process::exit;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SIGTERM: c_int = 15;
const SIG_IGN: usize = 1;
const SHUT_RDWR: c_int = 2;
/// More than the lab's load ever has open; past it, connections are refused instead of threads piling up.
const MAX_CONNECTIONS: usize = 256;
/// A request line and a few headers; nothing sends more.
const MAX_REQUEST_BYTES: usize = 8192;
const READ_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_SLOW: Duration = Duration::from_secs(120);
/// How often the end of the requests in flight is looked for, once terminated.
const POLL: Duration = Duration::from_millis(2);

static LISTENER: AtomicI32 = AtomicI32::new(-1);
static OPEN: AtomicUsize = AtomicUsize::new(0);

extern "C" {
    fn signal(number: c_int, handler: usize) -> usize;
    fn shutdown(socket: c_int, how: c_int) -> c_int;
    fn _exit(code: c_int) -> !;
}

/// Wakes the thread that accepts, with an error; before there is a listener there is nothing to finish.
extern "C" fn on_term(_number: c_int) {
    let listener = LISTENER.load(Ordering::SeqCst);
    // SAFETY: both calls may be made inside a signal handler.
    unsafe {
        if listener < 0 {
            _exit(0);
        }
        shutdown(listener, SHUT_RDWR);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Ok,
    Exit,
    UnhealthyAfter(Duration),
    CrashAfter(Duration),
    SlowStart(Duration),
    IgnoreTerm,
}

#[derive(Clone)]
struct App {
    version: String,
    host: String,
    mode: Mode,
    started: Instant,
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_string())
}

fn parse_mode(text: &str) -> Option<Mode> {
    let (name, duration) = match text.split_once(':') {
        Some((name, ms)) => (name, Some(Duration::from_millis(ms.parse().ok()?))),
        None => (text, None),
    };
    Some(match (name, duration) {
        ("ok", None) => Mode::Ok,
        ("exit", None) => Mode::Exit,
        ("ignore-term", None) => Mode::IgnoreTerm,
        ("unhealthy", None) => Mode::UnhealthyAfter(Duration::ZERO),
        ("unhealthy-after", Some(after)) => Mode::UnhealthyAfter(after),
        ("crash-after", Some(after)) => Mode::CrashAfter(after),
        ("slow-start", Some(after)) => Mode::SlowStart(after),
        _ => return None,
    })
}

fn fail(text: &str) -> ! {
    eprintln!("error: {text}");
    exit(1)
}

impl App {
    fn answer(&self, path: &str) -> (u16, String) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path {
            "/" => (200, format!("{} {}\n", self.version, self.host)),
            "/health" if self.unhealthy() => (500, "db: no such table: users\n".to_string()),
            "/health" => (200, "ok\n".to_string()),
            "/slow" => {
                let ms = query
                    .strip_prefix("ms=")
                    .and_then(|ms| ms.parse().ok())
                    .unwrap_or(1000);
                std::thread::sleep(Duration::from_millis(ms).min(MAX_SLOW));
                (200, format!("{} {} after {ms} ms\n", self.version, self.host))
            }
            _ => (404, "no such path\n".to_string()),
        }
    }

    fn unhealthy(&self) -> bool {
        matches!(self.mode, Mode::UnhealthyAfter(after) if self.started.elapsed() >= after)
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let mut request = Vec::new();
        let mut chunk = [0; 1024];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MAX_REQUEST_BYTES {
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                count => request.extend_from_slice(&chunk[..count]),
            }
        }
        let text = String::from_utf8_lossy(&request);
        let (status, body) = self.answer(text.split(' ').nth(1).unwrap_or("/"));
        write!(
            stream,
            "HTTP/1.1 {status} -\r\nX-Version: {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.version,
            body.len()
        )
    }
}

fn accept_until_terminated(app: &App, listener: &TcpListener) {
    while let Ok((stream, _peer)) = listener.accept() {
        if OPEN.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
            OPEN.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let app = app.clone();
        std::thread::spawn(move || {
            // A client that went away is its own business.
            let _ = app.serve(stream);
            OPEN.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// The health check of the image: the binary asks itself.
fn probe(port: &str) -> bool {
    let attempt = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    attempt().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn main() {
    let port = variable("APP_PORT", "8080");
    if std::env::args().nth(1).as_deref() == Some("--probe") {
        exit(if probe(&port) { 0 } else { 1 });
    }
    let mode = variable("APP_MODE", "ok");
    let app = App {
        version: variable("APP_VERSION", "none"),
        host: std::fs::read_to_string("/etc/hostname")
            .map_or("unknown".to_string(), |name| name.trim().to_string()),
        mode: parse_mode(&mode).unwrap_or_else(|| fail(&format!("APP_MODE {mode} is not known"))),
        started: Instant::now(),
    };
    let handler = if app.mode == Mode::IgnoreTerm {
        SIG_IGN
    } else {
        on_term as *const () as usize
    };
    // SAFETY: the handler makes calls only that are allowed inside one.
    unsafe { signal(SIGTERM, handler) };
    println!("app {} starts on port {port}, mode {mode}", app.version);
    match app.mode {
        Mode::Exit => fail("cannot start: config key DATABASE_URL is not set"),
        Mode::SlowStart(delay) => std::thread::sleep(delay),
        Mode::CrashAfter(delay) => {
            std::thread::spawn(move || {
                std::thread::sleep(delay);
                fail("out of memory")
            });
        }
        _ => {}
    }
    let listener =
        TcpListener::bind(format!("0.0.0.0:{port}")).unwrap_or_else(|error| fail(&error.to_string()));
    LISTENER.store(listener.as_raw_fd(), Ordering::SeqCst);
    accept_until_terminated(&app, &listener);
    while OPEN.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(POLL);
    }
    println!("app {} ends", app.version);
}
