use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use super::line::{HERE, Line};
use super::packet::REPLY_V6;
use super::*;

async fn heard(asking: &mut Asking) -> Option<u16> {
    let heard = tokio::time::timeout(Duration::from_millis(200), asking.heard()).await.ok()?;
    match heard.unwrap() {
        Heard::Reply(n, _) => Some(n),
        Heard::Undelivered(..) => None,
    }
}

#[tokio::test]
async fn each_look_gets_its_own_replies_and_each_once() {
    let line = Line::new().await;
    let (mut one, mut other) = (line.begin(), line.begin());
    one.send(0).await.unwrap();
    other.send(0).await.unwrap();
    one.send(1).await.unwrap();
    let replies = [line.reply().await, line.reply().await, line.reply().await];
    // In another order, and one of them thrice.
    for n in [2, 1, 0, 0, 0] {
        line.send(&replies[n]).await;
    }
    assert_eq!(heard(&mut one).await, Some(1));
    assert_eq!(heard(&mut one).await, Some(0));
    assert_eq!(heard(&mut one).await, None, "the doubled ones count for nothing");
    assert_eq!(heard(&mut other).await, Some(0));
}

#[tokio::test]
async fn what_was_not_asked_is_not_believed() {
    let line = Line::new().await;
    let mut asking = line.begin();
    asking.send(0).await.unwrap();
    let good = line.reply().await;
    let place_of_mark = 8 + 8;
    for (at, what) in [(0, "a type"), (6, "a sequence number"), (place_of_mark + 3, "a mark")] {
        let mut wrong = good.clone();
        wrong[at] ^= 0x10;
        line.send(&wrong).await;
        assert_eq!(heard(&mut asking).await, None, "{what}");
    }
    for n in 0..8 + 16 {
        line.send(&good[..n]).await;
    }
    assert_eq!(heard(&mut asking).await, None, "cut short");
    line.send(&good).await;
    assert_eq!(heard(&mut asking).await, Some(0));
}

#[tokio::test]
async fn a_reply_from_another_address_is_not_believed() {
    let line = Line::new().await;
    let mut asking = line.begin();
    asking.send(0).await.unwrap();
    let reply = line.reply().await;
    // As if another one had been asked.
    let sequence = asking.sequences[0];
    lock(&line.lane.state).requests.get_mut(&sequence).unwrap().address = [127, 0, 0, 2].into();
    line.send(&reply).await;
    assert_eq!(heard(&mut asking).await, None);
}

#[tokio::test]
async fn marks_differ_and_cannot_be_counted_on() {
    let line = Line::new().await;
    let marks: Vec<u64> = (0..4).map(|_| line.begin().mark).collect();
    let steps: Vec<u64> = marks.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert!(steps.iter().all(|step| *step > 1 << 16), "{marks:?}");
    let other = Echoes::default();
    assert_ne!(other.0.secret.hash_one(0_u64), line.echoes.0.secret.hash_one(0_u64));
}

#[tokio::test]
async fn others_are_read_for_when_the_reader_is_cancelled() {
    let line = Line::new().await;
    let (mut first, mut second, mut third) = (line.begin(), line.begin(), line.begin());
    second.send(0).await.unwrap();
    let reply = line.reply().await;
    // The first one reads for all, until its time is up and it is gone.
    let (gone, came) = tokio::join!(
        async {
            let waited = tokio::time::timeout(Duration::from_millis(20), first.heard()).await;
            drop(first);
            line.send(&reply).await;
            waited.is_err()
        },
        async {
            tokio::select! {
                heard = second.heard() => heard.unwrap(),
                _ = third.heard() => panic!("nothing was sent by the third"),
            }
        },
    );
    assert!(gone);
    assert!(matches!(came, Heard::Reply(0, _)), "{came:?}");
}

#[tokio::test]
async fn nothing_is_left_of_looks_that_were_cancelled() {
    let line = Line::new().await;
    let mut asking = line.begin();
    for n in 0..10 {
        asking.send(n).await.unwrap();
    }
    assert_eq!(line.lane.load.load(Ordering::Relaxed), 100);
    drop(asking);
    let state = lock(&line.lane.state);
    assert!(state.requests.is_empty() && state.waiting.is_empty() && state.reader.is_none());
    drop(state);
    assert_eq!(line.lane.load.load(Ordering::Relaxed), 0);
}

#[test]
fn reading_goes_to_the_newest_who_has_heard_nothing() {
    let mut state = State::default();
    for id in 1..=4 {
        state.waiting.insert(id, Waiting::default());
        state.wait(id, Waker::noop());
    }
    state.reader = Some(1);
    let sequence = state.add(Request { id: 4, n: 0, address: HERE, mark: 1 }).unwrap();
    state.tell(sequence, |n| Heard::Undelivered(n, 1));
    state.leave(2);
    assert_eq!(state.reader, Some(1), "whoever else comes or goes");
    state.remove(1, &[]);
    assert_eq!(state.reader, Some(3), "4 has heard something, and 2 does not wait");
    state.remove(3, &[]);
    assert_eq!(state.reader, None, "the next who waits reads");
    assert!(state.idle.is_empty());
}

#[test]
fn a_sequence_number_is_one_requests_alone_also_after_the_last() {
    let mut state = State { next_sequence: u16::MAX - 1, ..State::default() };
    let request = Request { id: 1, n: 0, address: HERE, mark: 1 };
    let long = state.add(request).unwrap();
    let given: Vec<u16> = (0..u16::MAX).map(|_| state.add(request).unwrap()).collect();
    assert!(!given.contains(&long) && given.contains(&0));
    assert!(state.add(request).is_err(), "all are in use");
}

/// Each kind of socket that this machine allows.
fn kinds(is_ipv4: bool) -> Vec<Lane> {
    let datagram = sys::open_datagram(is_ipv4).map(|socket| (socket, None));
    let raw = sys::open_raw(is_ipv4).map(|(socket, identifier)| (socket, Some(identifier)));
    let allowed = [datagram, raw].into_iter().flatten();
    allowed.map(|(socket, id)| Lane::over(socket, is_ipv4, id).unwrap()).collect()
}

#[tokio::test]
async fn this_machine_answers_over_each_kind_of_socket() {
    for address in [HERE, Ipv6Addr::LOCALHOST.into()] {
        if std::net::UdpSocket::bind((address, 0)).is_err() {
            continue;
        }
        // Two of a kind: a raw socket is not to take the other one's replies for its own.
        let lanes: Vec<Arc<Lane>> =
            (0..2).flat_map(|_| kinds(address.is_ipv4())).map(Arc::new).collect();
        let echoes = Echoes::default();
        for lane in &lanes {
            let mut asking = echoes.begin_in(Arc::clone(lane), address, 1400, 0);
            for n in 0..3 {
                asking.send(n).await.unwrap();
            }
            for n in 0..3 {
                assert_eq!(heard(&mut asking).await, Some(n), "{address} {:?}", lane.identifier);
            }
            assert_eq!(heard(&mut asking).await, None);
        }
    }
}

#[tokio::test]
async fn so_many_requests_share_a_socket_as_fit_into_its_buffer() {
    let echoes = Echoes::default();
    let Ok(first) = echoes.begin(HERE, 56, 1) else { return };
    let fit = first.lane.room / (56 + OVERHEAD);
    let mut all = vec![first];
    for _ in 0..fit * 2 {
        all.push(echoes.begin(HERE, 56, 1).unwrap());
    }
    assert_eq!(lock(&echoes.0.lanes).len(), 3);
    let loads = all.iter().filter(|a| Arc::ptr_eq(&a.lane, &all[0].lane)).count();
    assert_eq!(loads, fit);
    all.clear();
    assert_eq!(lock(&echoes.0.lanes).len(), 1, "one stays open for the next");
}

#[tokio::test]
async fn replies_wait_in_the_buffer_for_a_program_that_is_late() {
    let echoes = Echoes::default();
    if echoes.begin(HERE, 56, 1).is_err() {
        return;
    }
    let mut all = Vec::new();
    for n in 0..3000_u32 {
        let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x7f02_0001 + n));
        let mut asking = echoes.begin(address, 56, 1).unwrap();
        asking.send(0).await.unwrap();
        all.push(asking);
    }
    // Nobody has read yet.
    let mut n_heard = 0;
    for asking in &mut all {
        n_heard += usize::from(heard(asking).await == Some(0));
    }
    assert_eq!(n_heard, all.len());
}

#[test]
fn what_a_router_cannot_deliver_is_told_at_once() {
    let nowhere: IpAddr = "2001:db8::9".parse().unwrap();
    let mut state = State::default();
    state.waiting.insert(1, Waiting::default());
    let sequence = state.add(Request { id: 1, n: 4, address: nowhere, mark: 9 }).unwrap();
    let mut quoted = Vec::new();
    Packet { identifier: 3, sequence, mark: Some(9) }.write(false, 16, &mut quoted);
    let foreign = quoted.clone();
    quoted.truncate(8);
    state.undelivered(Some(4), nowhere, &quoted, libc::EHOSTUNREACH);
    state.undelivered(Some(3), HERE, &quoted, libc::EHOSTUNREACH);
    let mut reply = quoted.clone();
    reply[0] = REPLY_V6;
    state.undelivered(Some(3), nowhere, &reply, libc::EHOSTUNREACH);
    let mut other_mark = foreign;
    other_mark[17] ^= 1;
    state.undelivered(Some(3), nowhere, &other_mark, libc::EHOSTUNREACH);
    assert!(!state.has_heard(1), "another identifier, address, type and mark");
    state.undelivered(Some(3), nowhere, &quoted, libc::EHOSTUNREACH);
    assert_eq!(state.waiting[&1].heard, [Heard::Undelivered(4, libc::EHOSTUNREACH)]);
}
