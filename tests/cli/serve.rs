//! The page's server as a program: how it is started, asked and ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{Place, SIDE, SMALL};

fn train(place: &Place, out: &str, flags: &[&str]) {
    let mut args = SMALL.to_vec();
    args.extend(["--epochs", "1", "--quiet", "--out", out]);
    args.extend(flags);
    place.good(&args);
}

/// A server that is ended with the test, however that goes.
pub struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn serve(place: &Place, args: &[&str]) -> Serving {
    let serving = serve_on("127.0.0.1", place, args);
    assert!(serving.address.starts_with("127.0.0.1:"));
    serving
}

/// A server on any free port of an address.
fn serve_on(ip: &str, place: &Place, args: &[&str]) -> Serving {
    let mut command = place.command(&["serve", "--listen", &format!("{ip}:0")]);
    command
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    if args.contains(&"--json") {
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["event"], "serve");
        line = value["url"].as_str().unwrap().into();
    }
    let address = line.trim().strip_prefix("http://").unwrap();
    let address = address.strip_suffix('/').unwrap().to_string();
    Serving { child, address }
}

impl Serving {
    /// The body of a response, after its status.
    pub fn ask(&self, head: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let text = format!(
            "{head} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head[9..12].into(), body.into())
    }

    pub fn json(&self, head: &str, body: &str) -> Value {
        let (status, body) = self.ask(head, body);
        assert_eq!(status, "200", "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Sends a signal; the exit code and the standard error.
    pub fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let code = self.child.wait().unwrap().code();
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut err).unwrap();
        (code, err)
    }
}

/// A stroke across a sheet of 24x24.
pub fn stroke() -> String {
    let pixel = |i: usize| {
        if (7..17).contains(&(i / 24)) {
            "255"
        } else {
            "0"
        }
    };
    let ink: Vec<&str> = (0..24 * 24).map(pixel).collect();
    format!("{{\"width\":24,\"height\":24,\"ink\":[{}]}}", ink.join(","))
}

#[test]
fn a_run_is_served_until_a_signal() {
    let place = Place::new();
    train(&place, "run", &[]);
    let server = serve(&place, &["run"]);
    let (status, page) = server.ask("GET /", "");
    assert_eq!(status, "200");
    assert!(page.contains("Draw a digit"));
    let about = server.json("GET /network", "");
    assert_eq!(about["source"], "run");
    assert_eq!(about["height"], SIDE);
    assert_eq!(about["classes"], 3);
    assert_eq!(about["layers"].as_array().unwrap().len(), 2);
    assert_eq!(about["reading"], Value::Null);
    let answer = server.json("POST /read", &stroke());
    assert_eq!(answer["agreement"]["class"], true);
    assert_eq!(answer["bits"].as_array().unwrap().len(), 2);
    let (status, why) = server.ask("POST /read", "{}");
    assert_eq!((&*status, why.lines().count()), ("400", 1), "{why}");
    // A client that is connected and silent does not hold up the end.
    let _silent = TcpStream::connect(&server.address).unwrap();
    let (code, err) = server.end("-INT");
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("Ctrl-C ends it"), "{err}");
}

#[test]
fn stochastic_runs_and_packed_files_are_served_too() {
    let place = Place::new();
    train(&place, "stoch", &["--mode", "stoch"]);
    // One sample, always with the same noise; and thresholds.
    let server = serve(&place, &["stoch", "--quiet"]);
    let about = server.json("GET /network", "");
    assert!(about["reading"].as_str().unwrap().contains("one sample"));
    let answer = |server: &Serving| {
        let mut answer = server.json("POST /read", &stroke());
        for form in ["packed", "float"] {
            answer[form]["us"] = Value::Null;
        }
        answer
    };
    let sampled = answer(&server);
    assert_eq!(sampled, answer(&server));
    assert_eq!(sampled["agreement"]["bits"], 0);
    assert_eq!(server.end("-TERM"), (Some(0), String::new()));
    let server = serve(&place, &["stoch", "--threshold", "--json", "--quiet"]);
    let about = server.json("GET /network", "");
    assert!(about["reading"].as_str().unwrap().contains("[x > 0]"));
    assert_ne!(answer(&server)["bits"], sampled["bits"]);
    drop(server);

    train(&place, "run", &[]);
    place.good(&["pack", "run", "-o", "net.packed"]);
    let server = serve(&place, &["net.packed"]);
    assert_eq!(server.json("GET /network", "")["float"], false);
    let answer = server.json("POST /read", &stroke());
    assert_eq!(answer["float"], Value::Null);
    assert_eq!(answer["agreement"], Value::Null);
    assert!(answer["packed"]["class"].as_u64().is_some());
}

#[test]
fn the_warning_of_an_open_address_is_shown_whatever_is_asked_for() {
    let place = Place::new();
    train(&place, "run", &[]);
    for (flags, lines) in [(&[][..], 2), (&["--quiet"], 1), (&["--quiet", "--json"], 1)] {
        let server = serve_on("0.0.0.0", &place, &[&["run"], flags].concat());
        let warning = format!(
            "warning: whoever reaches {} can open the page",
            server.address
        );
        let (code, err) = server.end("-TERM");
        assert_eq!(code, Some(0), "{err}");
        assert_eq!(err.lines().next(), Some(&*warning), "{flags:?}");
        assert_eq!(err.lines().count(), lines, "{err}");
    }
    let server = serve(&place, &["run", "--quiet"]);
    assert_eq!(server.end("-TERM"), (Some(0), String::new()));
}

#[test]
fn what_cannot_be_served_is_one_line() {
    let place = Place::new();
    place.bad(&["serve"], 1, "holds no run");
    place.bad(&["serve", "nothing"], 1, "nothing");
    place.bad(
        &["serve", "--listen", "nowhere"],
        2,
        "such as 127.0.0.1:8080",
    );
    train(&place, "run", &[]);
    place.bad(&["serve", "run", "--threshold"], 2, "no stochastic unit");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.bad(
        &["serve", "run", "--listen", &address],
        1,
        "another program listens there",
    );
}
