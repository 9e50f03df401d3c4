//! A caller that is not ours: the ttrpc crate that kata-agent has, over one connection to the unix socket that is named.
//!
//! Each line of standard input is a call: ID SERVICE METHOD MILLISECONDS HEX. All of them are under way at the same time.
//! Each answer is a line: ID STATUS HEX, of the message, or of the text where the status is not 0; -1: no answer.

use std::io::{self, BufRead};
use std::os::unix::io::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use ttrpc::{Client, Code, Error, Request};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{:02x}", b)).collect()
}

fn call(client: &Client, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let ms: i64 = words[3].parse().expect("milliseconds");
    let mut request = Request::new();
    request.set_service(words[1].to_string());
    request.set_method(words[2].to_string());
    request.set_timeout_nano(ms * 1_000_000);
    request.set_payload(bytes(words[4]));
    let (code, data) = match client.request(request) {
        Ok(response) => (0, response.payload),
        Err(Error::RpcStatus(status)) => {
            let code = if status.code == Code::OK { -1 } else { protobuf::ProtobufEnum::value(&status.code) };
            (code, status.message.into_bytes())
        }
        Err(Error::Others(text)) if text.contains("timeout") || text.contains("timed out") => {
            (4, format!("here: {}", text).into_bytes())
        }
        Err(error) => (-1, error.to_string().into_bytes()),
    };
    println!("{} {} {}", words[0], code, hex(&data));
}

fn main() {
    let path = std::env::args().nth(1).expect("a socket");
    // Its own connect knows abstract sockets only.
    let stream = UnixStream::connect(path).expect("connected");
    let client = Client::new(stream.into_raw_fd());
    for line in io::stdin().lock().lines() {
        let line = line.expect("a line");
        let client = client.clone();
        thread::spawn(move || call(&client, &line));
    }
}
