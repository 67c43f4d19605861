use super::*;

const SIZES: Sizes = Sizes {
    head: 300,
    body: 20,
};

fn request(bytes: &[u8]) -> (Request<'_>, usize) {
    parse(bytes, SIZES).unwrap().expect("a whole request")
}

/// The status of a refusal, which is one line and ends the connection.
fn refused(bytes: &[u8]) -> u16 {
    let refusal = parse(bytes, SIZES).expect_err(&String::from_utf8_lossy(bytes));
    let line = String::from_utf8(refusal.body.clone()).unwrap();
    assert_eq!(line.lines().count(), 1, "{line:?}");
    assert!(line.ends_with('\n') && line.len() > 5 && refusal.close);
    refusal.status
}

#[test]
fn a_request_is_found_and_what_follows_it_left_alone() {
    let bytes =
        b"POST /read?x=1 HTTP/1.1\r\nHost: a:1\r\nContent-Type: text/x\r\nORIGIN: http://a:1\r\n\
        Content-Length: 4\r\nOther: \xff\r\n\r\nbodyGET /";
    let (found, used) = request(bytes);
    assert_eq!(&bytes[used..], b"GET /");
    let want = Request {
        method: "POST",
        path: "/read",
        host: "a:1",
        origin: Some("http://a:1"),
        content_type: Some("text/x"),
        body: b"body",
        close: false,
    };
    assert_eq!(found, want);
    // Not whole until its last byte.
    for length in 0..used {
        assert_eq!(parse(&bytes[..length], SIZES), Ok(None), "{length}");
    }
    assert!(request(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").0.close);
    let closing = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n";
    assert!(request(closing).0.close);
}

#[test]
fn what_is_no_request_is_refused() {
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], 400),
        (b"GET\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET http:///path HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http:a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 421),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 421),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ] {
        assert_eq!(refused(bytes), status, "{}", String::from_utf8_lossy(bytes));
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(300));
    assert_eq!(refused(long.as_bytes()), 431);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a:\r\n".repeat(65));
    assert_eq!(refused(many.as_bytes()), 431);
}

#[test]
fn a_body_of_no_clear_length_is_refused() {
    for (bytes, status) in [
        (&b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"[..], 411),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            411,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n",
            413,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            413,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
            417,
        ),
    ] {
        assert_eq!(refused(bytes), status, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn an_absolute_target_names_host_and_path() {
    for (target, host, path) in [
        ("http://a:1/read", "a:1", "/read"),
        ("http://a:1/read?x=http://b/#c", "a:1", "/read"),
        ("HTTP://a/", "a", "/"),
        ("http://a", "a", "/"),
        ("http://a?x", "a", "/"),
        ("http://[::1]:80/x", "[::1]:80", "/x"),
        ("http://a//b", "a", "//b"),
        // A path with such a part is a path.
        ("/http://a/", "other", "/http://a/"),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n");
        let (found, used) = request(text.as_bytes());
        assert_eq!((found.host, found.path), (host, path), "{target}");
        assert_eq!(used, text.len());
    }
    // HTTP/1.0 knows no Host.
    let old = request(b"GET http://a/x HTTP/1.0\r\n\r\n").0;
    assert_eq!((old.host, old.path, old.close), ("a", "/x", true));
    // An empty Host is one.
    assert_eq!(request(b"GET / HTTP/1.1\r\nHost:\r\n\r\n").0.host, "");
}

#[test]
fn damaged_requests_never_panic() {
    let good: &[u8] =
        b"POST /read HTTP/1.1\r\nHost: a:1\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";
    let mut outcomes = [0; 3];
    for at in 0..good.len() {
        for byte in [0, b'\n', b'\r', b' ', b':', b'/', b'9', b'z', 0x7f, 0xff] {
            let mut bytes = good.to_vec();
            bytes[at] = byte;
            match parse(&bytes, SIZES) {
                Ok(None) => outcomes[0] += 1,
                Ok(Some((request, used))) => {
                    assert!(used <= bytes.len() && request.path.starts_with('/'));
                    outcomes[1] += 1;
                }
                Err(refusal) => {
                    assert!((400..500).contains(&refusal.status));
                    outcomes[2] += 1;
                }
            }
        }
    }
    assert!(
        outcomes[0] > 0 && outcomes[1] > 10 && outcomes[2] > 10,
        "{outcomes:?}"
    );
}

#[test]
fn responses_say_how_long_they_are() {
    let page = Response::ok("text/html", "hi").with("Allow", "GET");
    let text = String::from_utf8(page.to_bytes(false)).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n")
    );
    assert!(text.ends_with("\r\nAllow: GET\r\n\r\nhi"), "{text}");
    let head = String::from_utf8(page.to_bytes(true)).unwrap();
    assert_eq!(head + "hi", text);
    let refusal = Response::refusal(400, "two\r\nlines: \u{1b}[31m");
    assert_eq!(refusal.body, b"two  lines:  [31m\n");
    let closing = refusal.closing().to_bytes(false);
    assert!(
        String::from_utf8(closing)
            .unwrap()
            .contains("\r\nConnection: close\r\n")
    );
}
