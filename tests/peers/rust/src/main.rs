//! A caller that is not ours: the ttrpc crate that kata-agent has, as kata-agent uses it, over one connection to the unix
//! socket that is named. It knows no time limit of its own: the other side has to keep it.
//!
//! Each line of standard input is a call: ID SERVICE METHOD MILLISECONDS HEX. All of them are under way at the same time.
//! Each answer is a line: ID STATUS HEX, of the message, or of the text where the status is not 0; -1: no answer.

use protobuf::ProtobufEnum;
use std::io::{self, BufRead};
use std::os::unix::io::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use tokio::sync::mpsc;
use ttrpc::asynchronous::Client;
use ttrpc::{Error, Request};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{:02x}", b)).collect()
}

async fn call(mut client: Client, line: String) {
    let words: Vec<&str> = line.split(' ').collect();
    let ms: i64 = words[3].parse().expect("milliseconds");
    let mut request = Request::new();
    request.set_service(words[1].to_string());
    request.set_method(words[2].to_string());
    request.set_timeout_nano(ms * 1_000_000);
    request.set_payload(bytes(words[4]));
    let (code, data) = match client.request(request).await {
        Ok(response) => (0, response.payload),
        Err(Error::RpcStatus(status)) => (status.code.value(), status.message.into_bytes()),
        Err(error) => (-1, error.to_string().into_bytes()),
    };
    println!("{} {} {}", words[0], code, hex(&data));
}

async fn serve(path: String, mut lines: mpsc::UnboundedReceiver<String>) {
    // Its own connect knows abstract sockets only.
    let stream = UnixStream::connect(path).expect("connected");
    stream.set_nonblocking(true).expect("non-blocking");
    let client = Client::new(stream.into_raw_fd());
    while let Some(line) = lines.recv().await {
        tokio::spawn(call(client.clone(), line));
    }
}

fn main() {
    let path = std::env::args().nth(1).expect("a socket");
    let (to, lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            to.send(line.expect("a line")).expect("somebody listens");
        }
    });
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(serve(path, lines));
}
