//! `exstreamd probe` and `exstreamd remux` with addresses, as they are typed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::common::clients::have;
use super::common::daemon::{Instance, said};
use super::common::media::sample;
use super::common::web::{Reply, Web, range};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

fn instance() -> Instance {
    let mut instance = Instance::new();
    // A machine under load is slow.
    instance.set("EXSTREAMD_TIMEOUTS_LOCAL", "60");
    instance
}

/// Runs the program, which must fail with `code` and say `words`.
#[track_caller]
fn fails(instance: &Instance, args: &[&str], code: i32, words: &str) {
    let output = instance.run(args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {said}");
}

#[test]
fn probe_and_remux_of_an_address_are_those_of_the_file() {
    let path = sample("h264_b0_25.mp4");
    let file = path.to_str().unwrap();
    let web = Web::serving(&path);
    let url = web.url("/film.mp4");
    let instance = instance();
    let (here, there) = (
        instance.json(&["probe", file]),
        instance.json(&["probe", &url]),
    );
    assert_eq!(here[0]["probe"], there[0]["probe"]);
    assert_eq!(there[0]["file"], url);
    let streamed = instance.run(&["remux", &url, "-o", "-"]);
    assert!(streamed.status.success());
    let out = instance.media().join("out.ts");
    let remuxed = instance.run(&["remux", file, "-o", out.to_str().unwrap()]);
    assert!(remuxed.status.success(), "{}", said(&remuxed));
    assert!(streamed.stdout == std::fs::read(out).unwrap());
    // Of several, each is cut to its pictures; files and addresses mix.
    let joined = instance.run(&["remux", file, &url, "-o", "-"]);
    let files = instance.run(&["remux", file, file, "-o", "-"]);
    assert!(joined.status.success() && joined.stdout == files.stdout);
    fails(
        &instance,
        &["remux", &url, "-o", "-", "--json"],
        64,
        "--json",
    );
}

#[test]
fn a_read_outside_any_runtime_waits_for_its_next_attempt_without_a_panic() {
    let path = sample("h264_b0_25.mp4");
    let film = std::fs::read(&path).unwrap();
    let failures = AtomicUsize::new(2);
    let web = Web::new(move |request| {
        let fails = request.range().0 > 0
            && failures
                .fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1))
                .is_ok();
        match fails {
            true => Reply::status(503),
            false => range(&film, request),
        }
    });
    let instance = instance();
    let there = instance.run(&["remux", &web.url("/film.mp4"), "-o", "-"]);
    assert!(there.status.success(), "{}", said(&there));
    let here = instance.run(&["remux", path.to_str().unwrap(), "-o", "-"]);
    assert!(there.stdout == here.stdout);
}

#[test]
fn addresses_that_are_not_of_the_web_are_refused() {
    let instance = instance();
    for (url, words) in [
        ("file:///etc/passwd", "file:// addresses are not read"),
        ("ftp://h/film.mp4", "ftp:// addresses are not read"),
        ("http://", "malformed"),
        ("http://h:x/", "malformed"),
    ] {
        fails(&instance, &["probe", url], 1, words);
        fails(&instance, &["remux", url, "-o", "-"], 1, words);
    }
}

#[test]
fn what_only_ffmpeg_reads_is_said_to_be_so() {
    let web = Web::new(|request| range(b"RIFF____AVI LIST and more of it", request));
    fails(
        &instance(),
        &["probe", &web.url("/f.avi")],
        1,
        "left to ffmpeg",
    );
}

/// A child that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn python_s_http_server_knows_no_ranges_and_is_refused_by_name() {
    if !have("python3") {
        return;
    }
    let path = sample("h264_b2_25.mp4");
    let script = "import http.server as h, sys
s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)
print(s.server_port, flush=True)
s.serve_forever()";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .current_dir(path.parent().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let _ends = Ends(child);
    let url = format!("http://127.0.0.1:{}/h264_b2_25.mp4", line.trim());
    fails(&instance(), &["probe", &url], 1, "(SimpleHTTP/");
    fails(
        &instance(),
        &["remux", &url, "-o", "-"],
        1,
        "answers no range requests",
    );
}

/// A certificate for `names` that signs itself: the file to trust it by, and a server's configuration.
fn certificate(instance: &Instance, names: &[&str]) -> (PathBuf, Arc<ServerConfig>) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let signed = rcgen::generate_simple_self_signed(names).unwrap();
    let path = instance.media().join("authority.pem");
    std::fs::write(&path, signed.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    (path, Arc::new(config))
}

#[test]
fn https_is_read_when_the_certificate_is_trusted_and_else_refused_with_the_cure() {
    let path = sample("h264_b2_25.mkv");
    let film = std::fs::read(&path).unwrap();
    let mut instance = instance();
    let (authority, config) = certificate(&instance, &["localhost", "127.0.0.1"]);
    let web = Web::at("127.0.0.1:0", Some(config), move |request| {
        range(&film, request)
    });
    let by_name = format!("https://localhost:{}/f.mkv", web.port());
    // Nobody else trusts it.
    for url in [&by_name, &web.url("/f.mkv")] {
        fails(&instance, &["probe", url], 69, "update-ca-certificates");
    }
    instance.set("SSL_CERT_FILE", authority.to_str().unwrap());
    let here = instance.run(&["remux", path.to_str().unwrap(), "-o", "-"]);
    for url in [&by_name, &web.url("/f.mkv")] {
        let there = instance.run(&["remux", url, "-o", "-"]);
        assert!(there.status.success(), "{}", said(&there));
        assert!(here.stdout == there.stdout, "{url}");
    }
    // A plain address redirects to the secure one.
    let plain = Web::new(move |_| Reply::status(301).with("Location", &by_name));
    let there = instance.run(&["remux", &plain.url("/f"), "-o", "-"]);
    assert!(here.stdout == there.stdout, "{}", said(&there));
}

#[test]
fn a_certificate_for_another_host_and_the_wrong_scheme_are_told_apart() {
    let mut instance = instance();
    let (authority, config) = certificate(&instance, &["elsewhere.example"]);
    instance.set("SSL_CERT_FILE", authority.to_str().unwrap());
    let secure = Web::at("127.0.0.1:0", Some(config), |request| {
        range(&[0; 10], request)
    });
    fails(&instance, &["probe", &secure.url("/f")], 69, "not valid");
    let plain = Web::new(|_| Reply::status(400));
    let wrong = plain.url("/f").replace("http:", "https:");
    fails(&instance, &["probe", &wrong], 69, "does not speak TLS");
    let wrong = secure.url("/f").replace("https:", "http:");
    fails(&instance, &["probe", &wrong], 1, "http or https right?");
}
