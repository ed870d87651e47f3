//! A way to a server of datagrams that is slow or of another family; and one that answers nonsense.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// Something that takes datagrams until its value goes.
#[derive(Debug)]
pub(crate) struct DatagramRelay {
    port: u16,
    _tasks: JoinSet<()>,
}

/// Largest datagram there is.
const ROOM: usize = 65_507;

impl DatagramRelay {
    /// Takes datagrams on `address` and hands them on to `port` of 127.0.0.1; each answer is `late`.
    pub(crate) async fn start(address: &str, port: u16, late: Duration) -> Self {
        let (socket, mut tasks) = (bind(address).await, JoinSet::new());
        let own = socket.local_addr().unwrap().port();
        tasks.spawn(async move {
            let mut buffer = vec![0; ROOM];
            loop {
                let (n, from) = socket.recv_from(&mut buffer).await.unwrap();
                let other = bind("127.0.0.1").await;
                other.connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                other.send(&buffer[..n]).await.unwrap();
                // What a server does not answer is not answered here either.
                let answer = other.recv(&mut buffer);
                let Ok(Ok(n)) = tokio::time::timeout(Duration::from_secs(1), answer).await else {
                    continue;
                };
                tokio::time::sleep(late).await;
                drop(socket.send_to(&buffer[..n], from).await);
            }
        });
        Self { port: own, _tasks: tasks }
    }

    /// Answers each datagram by what `answer` makes of it.
    pub(crate) async fn answering(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let (socket, mut tasks) = (bind("127.0.0.1").await, JoinSet::new());
        let port = socket.local_addr().unwrap().port();
        tasks.spawn(async move {
            let mut buffer = vec![0; ROOM];
            loop {
                let (n, from) = socket.recv_from(&mut buffer).await.unwrap();
                drop(socket.send_to(&answer(&buffer[..n]), from).await);
            }
        });
        Self { port, _tasks: tasks }
    }

    /// Returns its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

async fn bind(address: &str) -> UdpSocket {
    let address: IpAddr = address.parse().unwrap();
    UdpSocket::bind(SocketAddr::new(address, 0)).await.unwrap()
}
