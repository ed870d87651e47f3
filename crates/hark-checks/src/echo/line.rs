//! A line for tests: echo requests that go to a UDP socket of loopback, where the test answers them by
//! hand. No right to ping is needed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::net::UdpSocket;

use super::packet::REPLY_V4;
use super::{Asking, Echoes, Lane};

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Line {
    pub(super) echoes: Echoes,
    pub(super) lane: Arc<Lane>,
    far: UdpSocket,
}

impl Line {
    pub(crate) async fn new() -> Self {
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let near = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        far.connect(near.local_addr().unwrap()).await.unwrap();
        let mut lane = Lane::over(near.into(), true, None).unwrap();
        lane.port = far.local_addr().unwrap().port();
        Self { echoes: Echoes::default(), lane: Arc::new(lane), far }
    }

    pub(crate) fn begin(&self) -> Asking {
        self.echoes.begin_in(Arc::clone(&self.lane), HERE, 56, 100)
    }

    /// Waits for a request and returns its reply.
    pub(crate) async fn reply(&self) -> Vec<u8> {
        let mut room = [0; 256];
        let n = self.far.recv(&mut room).await.unwrap();
        room[0] = REPLY_V4;
        room[..n].to_vec()
    }

    pub(crate) async fn send(&self, reply: &[u8]) {
        self.far.send(reply).await.unwrap();
    }
}
