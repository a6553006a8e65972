use super::cursor::Found;
use super::*;
use crate::clock::{SimClock, UtcMs};
use std::sync::Arc;

fn second(n: i64) -> Ticks90k {
    Ticks90k(n * 90_000)
}

/// One chunk per second, a random access point every `gop` seconds.
fn fill(ring: &Ring, seconds: std::ops::Range<i64>, gop: i64, largest_bytes: usize) {
    for n in seconds {
        let rap = if n % gop == 0 { Rap::Clean } else { Rap::No };
        push(ring, &[n as u8; 188], n, rap, largest_bytes);
    }
}

fn push(ring: &Ring, packets: &[u8], at: i64, rap: Rap, largest_bytes: usize) {
    ring.push(Push {
        packets,
        head: second(at),
        rap,
        rejoin: Bytes::from_static(b"rejoin"),
        start: None,
        tape: &mut Tape::default(),
        largest_bytes,
        now: Duration::from_secs(at.unsigned_abs()),
    });
}

impl Cursor {
    /// The next bytes if the ring holds them.
    fn try_read(&mut self) -> Option<Read> {
        match self.look() {
            Found::Read(read) => Some(read),
            Found::Wish(_) | Found::Nothing => None,
        }
    }
}

fn cursor(ring: &Arc<Ring>) -> (Cursor, SimClock) {
    let clock = SimClock::new(UtcMs(0));
    let shared: crate::clock::SharedClock = Arc::new(clock.clone());
    let reads = crate::system::reads::Reads::new(shared.clone());
    (Cursor::new(ring.clone(), shared, reads), clock)
}

fn first_byte(read: Option<Read>) -> Option<u8> {
    match read? {
        Read::Bytes(bytes) => bytes.first().copied(),
        Read::TooSlow | Read::Ended => None,
    }
}

#[test]
fn a_joiner_starts_at_the_newest_random_access_point_older_than_the_burst() {
    for (gop, head, expected) in [(2, 20, 14), (1, 20, 14), (10, 20, 10), (2, 3, 0)] {
        let ring = Arc::new(Ring::new());
        fill(&ring, 0..head + 1, gop, 16 << 20);
        assert_eq!(
            first_byte(cursor(&ring).0.try_read()),
            Some(expected),
            "gop {gop}, head {head}"
        );
    }
}

#[test]
fn the_ring_keeps_burst_slack_and_one_interval_and_no_more() {
    let ring = Ring::new();
    fill(&ring, 0..100, 2, 16 << 20);
    let held = ring.bytes() / 188;
    assert!((12..=14).contains(&held), "{held} s held");
}

#[test]
fn a_small_budget_never_takes_the_last_whole_interval() {
    let ring = Arc::new(Ring::new());
    fill(&ring, 0..100, 10, 188);
    assert_eq!(first_byte(cursor(&ring).0.try_read()), Some(90));
}

#[test]
fn who_falls_behind_jumps_with_a_rejoin_prefix_and_at_the_third_time_is_let_go() {
    let ring = Arc::new(Ring::new());
    fill(&ring, 0..20, 2, 16 << 20);
    let (mut cursor, clock) = cursor(&ring);
    cursor.try_read();
    for round in 1..=2 {
        fill(&ring, round * 40..round * 40 + 20, 2, 16 << 20);
        assert_eq!(
            cursor.try_read(),
            Some(Read::Bytes(Bytes::from_static(b"rejoin"))),
            "round {round}"
        );
        assert_eq!(first_byte(cursor.try_read()), Some((round * 40 + 12) as u8));
    }
    fill(&ring, 120..140, 2, 16 << 20);
    assert_eq!(cursor.try_read(), Some(Read::TooSlow));
    clock.advance(Duration::from_secs(61));
    fill(&ring, 200..220, 2, 16 << 20);
    assert_eq!(
        cursor.try_read(),
        Some(Read::Bytes(Bytes::from_static(b"rejoin")))
    );
}

#[test]
fn one_long_interval_does_not_keep_the_ring_long_for_ever() {
    let ring = Ring::new();
    fill(&ring, 0..101, 50, 16 << 20);
    fill(&ring, 101..200, 2, 16 << 20);
    let held = ring.bytes() / 188;
    assert!(held <= 14, "{held} s held");
}

#[test]
fn pictures_without_any_random_access_point_do_not_fill_the_memory() {
    let ring = Ring::new();
    for n in 0..40 {
        let rap = if n == 0 { Rap::Clean } else { Rap::No };
        let megabyte = vec![0; 5_577 * 188];
        push(&ring, &megabyte, n, rap, 4 << 20);
        assert!(ring.bytes() <= LARGEST_BYTES);
    }
}

#[test]
fn after_a_restart_of_time_nobody_joins_at_the_old_time_and_the_ring_stays_small() {
    let ring = Arc::new(Ring::new());
    fill(&ring, 3_600..3_640, 2, 16 << 20);
    let (mut reader, _) = cursor(&ring);
    assert_eq!(first_byte(reader.try_read()), Some(3_632_u16 as u8));
    ring.restart(second(10));
    assert_eq!(cursor(&ring).0.try_read(), None, "joined at the old time");
    fill(&ring, 10..12, 2, 16 << 20);
    assert_eq!(first_byte(cursor(&ring).0.try_read()), Some(10));
    let read: Vec<_> = std::iter::from_fn(|| first_byte(reader.try_read())).collect();
    assert_eq!(read.len(), 7 + 2, "a reader loses nothing");
    fill(&ring, 12..40, 2, 16 << 20);
    let held = ring.bytes() / 188;
    assert!(held <= 14, "{held} s held");
}

#[test]
fn a_closed_ring_is_read_to_its_end() {
    let ring = Arc::new(Ring::new());
    fill(&ring, 0..1, 1, 16 << 20);
    let (mut cursor, _) = cursor(&ring);
    ring.close();
    assert_eq!(first_byte(cursor.try_read()), Some(0));
    assert_eq!(cursor.try_read(), Some(Read::Ended));
}

#[test]
fn a_cursor_in_an_empty_ring_waits() {
    let ring = Arc::new(Ring::new());
    assert_eq!(cursor(&ring).0.try_read(), None);
}
