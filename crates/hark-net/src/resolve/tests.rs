use std::collections::BTreeMap;
use std::path::Path;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// A name server with fixed answers, on UDP and TCP of one port.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<(String, Rtype)>>>,
    _tasks: JoinSet<()>,
}

/// What is known about a name.
#[derive(Clone, Debug, Default)]
struct Known {
    addresses: Vec<IpAddr>,
    /// Who offers it as a service: priority, weight, port, target.
    services: Vec<(u16, u16, u16, &'static str)>,
    /// Another name of it, whose addresses are given in its place.
    alias: Option<&'static str>,
    rcode: Option<Rcode>,
    /// Answer over UDP that the answer does not fit.
    cut: bool,
    /// Send these before the real answer.
    noise: Vec<Vec<u8>>,
    silent: bool,
}

impl Server {
    async fn start(known: &[(&str, Known)]) -> Self {
        let known: BTreeMap<String, Known> =
            known.iter().map(|(name, known)| ((*name).to_owned(), known.clone())).collect();
        let (udp, tcp, port) = sockets().await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let (log, table) = (Arc::clone(&asked), known.clone());
        tasks.spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (n, from) = udp.recv_from(&mut buffer).await.unwrap();
                let (known, answer) = answer(&buffer[..n], &table, &log, true);
                for noise in &known.noise {
                    udp.send_to(noise, from).await.unwrap();
                }
                if !known.silent {
                    udp.send_to(&answer, from).await.unwrap();
                }
            }
        });
        let log = Arc::clone(&asked);
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut question).await.unwrap();
                let (_, answer) = answer(&question, &known, &log, false);
                stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        });
        Self { port, asked, _tasks: tasks }
    }

    fn asked(&self) -> Vec<(String, Rtype)> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

/// Returns sockets of both kinds on one port; a port may be free for one and taken for the other.
async fn sockets() -> (UdpSocket, TcpListener, u16) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = udp.local_addr().unwrap().port();
        if let Ok(tcp) = TcpListener::bind(("127.0.0.1", port)).await {
            return (udp, tcp, port);
        }
    }
}

fn answer(
    question: &[u8],
    known: &BTreeMap<String, Known>,
    log: &Mutex<Vec<(String, Rtype)>>,
    over_udp: bool,
) -> (Known, Vec<u8>) {
    let message = Message::from_octets(question).unwrap();
    let asked = message.first_question().unwrap();
    let name = asked.qname().to_string().to_ascii_lowercase();
    log.lock().unwrap().push((name.clone(), asked.qtype()));
    let known = known
        .get(&name)
        .cloned()
        .unwrap_or(Known { rcode: Some(Rcode::NXDOMAIN), ..Known::default() });
    let rcode = known.rcode.unwrap_or(Rcode::NOERROR);
    let mut builder = MessageBuilder::new_vec().start_answer(&message, rcode).unwrap();
    if over_udp && known.cut {
        builder.header_mut().set_tc(true);
        return (known, builder.finish());
    }
    let asked_name: Name<Vec<u8>> = name.parse().unwrap();
    let mut owner = asked_name.clone();
    if let Some(alias) = known.alias {
        let alias: Name<Vec<u8>> = alias.parse().unwrap();
        builder.push((&asked_name, 60, domain::rdata::Cname::new(alias.clone()))).unwrap();
        owner = alias;
    }
    for address in &known.addresses {
        match (address, asked.qtype()) {
            (IpAddr::V4(v4), Rtype::A) => builder.push((&owner, 60, A::from(*v4))).unwrap(),
            (IpAddr::V6(v6), Rtype::AAAA) => builder.push((&owner, 60, Aaaa::from(*v6))).unwrap(),
            _ => {}
        }
    }
    if asked.qtype() == Rtype::SRV {
        for (n, (priority, weight, port, target)) in (0_u32..).zip(&known.services) {
            let target: Name<Vec<u8>> = target.parse().unwrap();
            let srv = domain::rdata::Srv::new(*priority, *weight, *port, target);
            builder.push((&owner, 60 + n, srv)).unwrap();
        }
    }
    // A record of another name, which nobody asked for.
    let other: Name<Vec<u8>> = "thief.example".parse().unwrap();
    builder.push((&other, 60, A::new(Ipv4Addr::new(6, 6, 6, 6)))).unwrap();
    (known, builder.finish())
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn has(texts: &[&str]) -> Known {
    Known { addresses: addresses(texts), ..Known::default() }
}

fn resolver(folder: &Path, hosts: &str, resolv_conf: &str, port: u16) -> Resolver {
    let (hosts_file, servers_file) = (folder.join("hosts"), folder.join("resolv.conf"));
    fs::write(&hosts_file, hosts).unwrap();
    fs::write(&servers_file, resolv_conf).unwrap();
    Resolver { port, ..Resolver::with_files(hosts_file, servers_file) }
}

const ONE_SERVER: &str = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";

#[tokio::test]
async fn addresses_and_listed_names_are_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = "192.0.2.1 db1 DB1.example.net # mine\n2001:db8::1 db1\nnonsense x\n";
    let resolver = resolver(folder.path(), hosts, ONE_SERVER, 1);
    let found = |name, family| resolver.lookup(name, family);
    assert_eq!(found("192.0.2.9", Family::Either).await.unwrap(), addresses(&["192.0.2.9"]));
    assert_eq!(found("[::1]", Family::V6).await.unwrap(), addresses(&["::1"]));
    assert_eq!(found("db1", Family::V4).await.unwrap(), addresses(&["192.0.2.1"]));
    assert_eq!(found("db1.", Family::V6).await.unwrap(), addresses(&["2001:db8::1"]));
    assert_eq!(found("Db1.Example.Net", Family::V4).await.unwrap(), addresses(&["192.0.2.1"]));
    assert_eq!(found("localhost", Family::V4).await.unwrap(), addresses(&["127.0.0.1"]));
    let error = found("192.0.2.9", Family::V6).await.unwrap_err();
    assert_eq!(error.to_string(), "192.0.2.9 has no IPv6 address");
}

#[tokio::test]
async fn names_are_asked_for_in_both_families() {
    let server = Server::start(&[("web.example", has(&["192.0.2.7", "2001:db8::7"]))]).await;
    let folder = tempfile::tempdir().unwrap();
    let resolver = resolver(folder.path(), "", ONE_SERVER, server.port);
    let mut both = resolver.lookup("web.example", Family::Either).await.unwrap();
    both.sort_unstable();
    assert_eq!(both, addresses(&["192.0.2.7", "2001:db8::7"]), "and no record of another name");
    let v4 = resolver.lookup("WEB.example", Family::V4).await.unwrap();
    assert_eq!(v4, addresses(&["192.0.2.7"]));
    let v6 = resolver.lookup("web.example", Family::V6).await.unwrap();
    assert_eq!(v6, addresses(&["2001:db8::7"]));
    assert_eq!(server.asked().len(), 4, "one family is one question");
}

#[tokio::test]
async fn aliases_are_followed() {
    let known = Known { alias: Some("real.example"), ..has(&["192.0.2.8"]) };
    let server = Server::start(&[("www.example", known)]).await;
    let folder = tempfile::tempdir().unwrap();
    let resolver = resolver(folder.path(), "", ONE_SERVER, server.port);
    let found = resolver.lookup("www.example", Family::V4).await.unwrap();
    assert_eq!(found, addresses(&["192.0.2.8"]));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_fetched_over_tcp() {
    let known = Known { cut: true, ..has(&["192.0.2.10"]) };
    let server = Server::start(&[("big.example", known)]).await;
    let folder = tempfile::tempdir().unwrap();
    let resolver = resolver(folder.path(), "", ONE_SERVER, server.port);
    let found = resolver.lookup("big.example", Family::V4).await.unwrap();
    assert_eq!(found, addresses(&["192.0.2.10"]));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn answers_to_other_questions_are_passed_over() {
    // A header whose number is wrong, rubbish, and nothing.
    let noise = vec![vec![0; 12], b"rubbish".to_vec(), Vec::new(), vec![0xff; 600]];
    let server = Server::start(&[("noisy.example", Known { noise, ..has(&["192.0.2.11"]) })]).await;
    let folder = tempfile::tempdir().unwrap();
    let resolver = resolver(folder.path(), "", ONE_SERVER, server.port);
    let found = resolver.lookup("noisy.example", Family::V4).await.unwrap();
    assert_eq!(found, addresses(&["192.0.2.11"]));
}

#[tokio::test]
async fn what_went_wrong_is_told_apart() {
    let failed = Known { rcode: Some(Rcode::SERVFAIL), ..Known::default() };
    let silent = Known { silent: true, ..Known::default() };
    let server = Server::start(&[
        ("broken.example", failed),
        ("quiet.example", silent),
        ("empty.example", Known::default()),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let resolver = resolver(folder.path(), "", ONE_SERVER, server.port);
    let error = async |name: &str| resolver.lookup(name, Family::Either).await.unwrap_err();
    assert!(matches!(error("nobody.example").await, ResolveError::NoSuchName { .. }));
    assert!(matches!(error("empty.example").await, ResolveError::NoAddress { .. }));
    assert_eq!(
        error("broken.example").await.to_string(),
        "the name servers failed on broken.example: SERVFAIL"
    );
    let ResolveError::Silent { source, .. } = error("quiet.example").await else {
        panic!("a silent server is silent")
    };
    assert_eq!(source.to_string(), "127.0.0.1 did not answer in time");
    assert!(matches!(error("a..b").await, ResolveError::NotAName { .. }));
}

#[tokio::test]
async fn a_server_that_is_away_is_passed_over() {
    let server = Server::start(&[("web.example", has(&["192.0.2.7"]))]).await;
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens at 127.0.0.2.
    let conf = "nameserver 127.0.0.2\nnameserver 127.0.0.1\noptions timeout:1\n";
    let resolver = resolver(folder.path(), "", conf, server.port);
    let found = resolver.lookup("web.example", Family::V4).await.unwrap();
    assert_eq!(found, addresses(&["192.0.2.7"]));
}

#[tokio::test]
async fn short_names_are_looked_for_in_the_search_list() {
    let server = Server::start(&[("db1.b.example", has(&["192.0.2.12"]))]).await;
    let folder = tempfile::tempdir().unwrap();
    let conf = format!("{ONE_SERVER}search a.example b.example\n");
    let resolver = resolver(folder.path(), "", &conf, server.port);
    let found = resolver.lookup("db1", Family::V4).await.unwrap();
    assert_eq!(found, addresses(&["192.0.2.12"]));
    let asked: Vec<_> = server.asked().into_iter().map(|(name, _)| name).collect();
    assert_eq!(asked, ["db1.a.example", "db1.b.example"]);
}

#[tokio::test]
async fn changed_files_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = resolver(folder.path(), "192.0.2.1 db1\n", ONE_SERVER, 1);
    assert_eq!(resolver.lookup("db1", Family::V4).await.unwrap(), addresses(&["192.0.2.1"]));
    fs::write(folder.path().join("hosts"), "192.0.2.22 db1\n").unwrap();
    assert_eq!(resolver.lookup("db1", Family::V4).await.unwrap(), addresses(&["192.0.2.22"]));
    fs::remove_file(folder.path().join("hosts")).unwrap();
    assert!(resolver.lookup("db1", Family::V4).await.is_err());
}

#[test]
fn the_order_of_names_follows_their_dots() {
    let conf = Servers::parse("search a b\noptions ndots:2\n");
    assert_eq!(conf.candidates("x"), ["x.a", "x.b", "x"]);
    assert_eq!(conf.candidates("x.y.z"), ["x.y.z", "x.y.z.a", "x.y.z.b"]);
    assert_eq!(conf.candidates("x.y.z."), ["x.y.z"]);
}

#[test]
fn resolv_conf_is_read_within_bounds() {
    let many = "nameserver 192.0.2.1\n".repeat(10);
    let conf = Servers::parse(&format!(
        "# comment\n{many}nameserver fe80::1%eth0\noptions timeout:900 attempts:99 ndots:99 rotate\n"
    ));
    assert_eq!(conf.addresses.len(), MAX_SERVERS);
    assert_eq!((conf.timeout.as_secs(), conf.attempts, conf.ndots), (30, 5, 15));
    assert_eq!(Servers::parse("").addresses, addresses(&["127.0.0.1"]));
}

#[tokio::test]
async fn a_service_is_found_in_the_order_of_its_priorities_with_the_shortest_time_to_live() {
    let services = vec![(20, 0, 3, "c.example"), (10, 0, 1, "a.example"), (30, 9, 4, "d.example")];
    let offered = Known { services, ..Known::default() };
    let none = Known { services: vec![(0, 0, 0, ".")], ..Known::default() };
    let aliased = Known { alias: Some("_hark._udp.b.example"), ..offered.clone() };
    let cut = Known { cut: true, ..offered.clone() };
    let server = Server::start(&[
        ("_hark._udp.a.example", offered),
        ("_hark._udp.no.example", none),
        ("_hark._udp.alias.example", aliased),
        ("_hark._udp.cut.example", cut),
        ("_hark._udp.empty.example", has(&["192.0.2.1"])),
    ])
    .await;
    let resolver = Resolver::asking(&[(Ipv4Addr::LOCALHOST, server.port).into()]);
    for name in ["a", "alias", "cut"] {
        let services = resolver.services(&format!("_hark._udp.{name}.example")).await.unwrap();
        assert_eq!(services.ttl, Duration::from_mins(1), "{name}");
        let found: Vec<_> =
            services.found.iter().map(|s| (s.priority, s.port, s.target.as_str())).collect();
        assert_eq!(found, [(10, 1, "a.example"), (20, 3, "c.example"), (30, 4, "d.example")]);
    }
    for name in ["no", "empty"] {
        let error = resolver.services(&format!("_hark._udp.{name}.example.")).await.unwrap_err();
        assert_eq!(error.to_string(), format!("nobody offers _hark._udp.{name}.example"));
    }
    let error = resolver.services("_hark._udp.nowhere.example").await.unwrap_err();
    assert!(matches!(error, ResolveError::NoSuchName { .. }), "{error}");
}
