//! Agents, users, their sessions and tokens, orders, settings and the audit.

use super::*;

#[test]
fn a_session_number_never_goes_down() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let id = u64::MAX - 5;
    let window = ReportWindow { epoch: 3, newest: 9, before: 7 };
    let changes = [
        Change::Agent(agent(id, 100)),
        Change::AgentSession { agent: id, session: u64::MAX - 1 },
        Change::AgentSession { agent: id, session: 200 },
        Change::AgentReports { agent: id, window: ReportWindow { before: 5, ..window } },
        Change::AgentReports { agent: id, window },
        Change::AgentReports { agent: id, window: ReportWindow { newest: 8, ..window } },
        Change::Agent(agent(id, 1)),
    ];
    state.commit(&[], &changes).unwrap();
    let agents = state.reader().unwrap().agents().unwrap();
    assert_eq!(agents, [AgentRecord { session: u64::MAX - 1, reports: window, ..agent(id, 0) }]);
}

#[test]
fn a_host_enrolled_anew_has_one_agent() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&[], &[Change::Agent(agent(1, 5)), Change::Agent(agent(2, 6))]).unwrap();
    state.commit(&[], &[Change::AgentRevoked { agent: 2, at: Unix(77) }]).unwrap();
    let agents = state.reader().unwrap().agents().unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!((agents[0].id, agents[0].revoked), (2, Some(Unix(77))));
}

#[test]
fn an_order_has_one_outcome_and_that_of_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let web1 = HostName::new("web1").unwrap();
    let web2 = HostName::new("web2").unwrap();
    let order = |id: u32| {
        Change::Order(OrderRecord {
            id,
            host: web1.clone(),
            action: "restart".to_owned(),
            by: UserName::new("root").unwrap(),
            reason: "it hangs".to_owned(),
            at: Unix(1),
            expires: Unix(2),
            taken: None,
            ended: None,
            exit: None,
            text: String::new(),
        })
    };
    let ended = |host: &HostName, at, exit| Change::OrderEnded {
        id: 7,
        host: host.clone(),
        at: Unix(at),
        exit: Some(exit),
        text: "done".to_owned(),
    };
    let changes = [order(7), ended(&web2, 3, 9), ended(&web1, 4, 0), ended(&web1, 5, 1), order(8)];
    state.commit(&[], &changes).unwrap();
    let reader = state.reader().unwrap();
    let [waits, done] = <[_; 2]>::try_from(reader.orders(&web1, 10).unwrap()).unwrap();
    assert_eq!((waits.id, waits.ended, waits.taken), (8, None, None));
    assert_eq!((done.id, done.ended, done.exit), (7, Some(Unix(4)), Some(0)));
    assert_eq!(reader.open_orders().unwrap(), [waits]);
    assert_eq!(reader.newest_order().unwrap(), 8);
    assert_eq!(reader.orders(&web2, 10).unwrap(), []);
    let many: Vec<Change> = (9..200).map(order).collect();
    state.commit(&[], &many).unwrap();
    let kept = reader.orders(&web1, 1000).unwrap();
    assert_eq!((kept.len(), kept[0].id), (50, 199), "the newest are kept");
}

#[test]
fn users_sessions_and_tokens_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let name = UserName::new("mira@example.net").unwrap();
    let user = UserRecord {
        name: name.clone(),
        full_name: "Mira".to_owned(),
        password: "$argon2id$x".to_owned(),
        admin: true,
        roles: [("db1", "owner"), ("web1", "monitor")]
            .map(|(host, role)| (HostName::new(host).unwrap(), role.to_owned()))
            .into(),
        created: Unix(1),
        kind: UserKind::Person,
        origin: Some(OriginRecord { provider: "oidc a".to_owned(), subject: "17".to_owned() }),
        teams: ["dba".to_owned(), "ops".to_owned()].into(),
    };
    let session = |n: u8, created| SessionRecord {
        token: [n; 32],
        user: name.clone(),
        created: Unix(created),
        last_seen: Unix(created),
        address: "192.0.2.9".to_owned(),
        agent: "Firefox".to_owned(),
        csrf: "c".to_owned(),
    };
    let token = ApiTokenRecord {
        id: 0,
        token: [9; 32],
        user: name.clone(),
        label: "grafana".to_owned(),
        scope: "read".to_owned(),
        created: Unix(1),
        expires: None,
        used: None,
    };
    let changes = [
        Change::User(user.clone()),
        Change::Session(session(1, 10)),
        Change::Session(session(2, 20)),
        Change::SessionSeen { token: [1; 32], at: Unix(30) },
        Change::ApiToken(token.clone()),
        Change::Setting { name: "theme".to_owned(), value: Some("dark".to_owned()) },
    ];
    state.commit(&[], &changes).unwrap();
    let reader = state.reader().unwrap();
    assert_eq!(reader.users().unwrap(), std::slice::from_ref(&user));
    assert_eq!(reader.user(&name).unwrap(), Some(user.clone()));
    let origin = user.origin.clone().unwrap();
    assert_eq!(reader.user_of(&origin).unwrap(), Some(name.clone()));
    let other = OriginRecord { provider: "oidc b".to_owned(), ..origin.clone() };
    assert_eq!(reader.user_of(&other).unwrap(), None, "who else uses the same number");
    let twice = UserRecord { name: UserName::new("eve").unwrap(), ..user.clone() };
    state.commit(&[], &[Change::User(twice)]).unwrap_err();
    let teams = ["ops".to_owned()].into();
    let fewer = UserRecord { roles: BTreeMap::new(), kind: UserKind::Service, teams, ..user };
    state.commit(&[], &[Change::User(fewer.clone())]).unwrap();
    assert_eq!(reader.user(&name).unwrap(), Some(fewer));
    assert_eq!(reader.session(&[1; 32]).unwrap().unwrap().last_seen, Unix(30));
    assert_eq!(reader.session(&[3; 32]).unwrap(), None);
    assert_eq!(reader.sessions(&name).unwrap().len(), 2);
    state.commit(&[], &[Change::ApiTokenUsed { token: [9; 32], at: Unix(7) }]).unwrap();
    let used = Some(Unix(7));
    assert_eq!(reader.api_token(&[9; 32]).unwrap(), Some(ApiTokenRecord { id: 1, used, ..token }));
    assert_eq!(reader.setting("theme").unwrap().as_deref(), Some("dark"));
    let expired = Change::SessionsExpired { created_before: Unix(0), seen_before: Unix(25) };
    state.commit(&[], &[expired]).unwrap();
    assert_eq!(reader.sessions(&name).unwrap().len(), 1);
    state.commit(&[], &[Change::UserRemoved(name.clone())]).unwrap();
    assert!(reader.sessions(&name).unwrap().is_empty() && reader.api_tokens().unwrap().is_empty());
}

#[test]
fn settings_are_found_by_how_their_name_begins_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    // More than one page, and neighbours that only look alike.
    let many = usize::try_from(reader::MAX_ROWS).unwrap() + 1;
    let names = (0..many).map(|n| format!("dns_name {n}"));
    let others = ["dns_name", "dns_zone x", "dnsxname 1", "e"].map(str::to_owned);
    let changes: Vec<Change> = names
        .chain(others)
        .map(|name| Change::Setting { value: Some(format!("of {name}")), name })
        .collect();
    state.commit(&[], &changes).unwrap();
    let found = state.reader().unwrap().settings_of("dns_name ").unwrap();
    assert_eq!(found.len(), many);
    assert!(found.iter().all(|(rest, value)| *value == format!("of dns_name {rest}")));
}

#[test]
fn an_enrolment_token_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let token = EnrolmentRecord {
        id: 0,
        token: [4; 32],
        user: UserName::new("mira").unwrap(),
        created: Unix(1),
        expires: Unix(100),
        uses: 2,
        host: None,
        tags: vec![Tag::new("a:b").unwrap(), Tag::new("c").unwrap()],
    };
    state.commit(&[], &[Change::Enrolment(token.clone())]).unwrap();
    assert_eq!(state.use_enrolment(&[5; 32], Unix(2)).unwrap(), None);
    assert_eq!(state.use_enrolment(&[4; 32], Unix(100)).unwrap(), None);
    let used = state.use_enrolment(&[4; 32], Unix(2)).unwrap();
    assert_eq!(used, Some(EnrolmentRecord { id: 1, ..token }));
    assert!(state.use_enrolment(&[4; 32], Unix(2)).unwrap().is_some());
    assert_eq!(state.use_enrolment(&[4; 32], Unix(2)).unwrap(), None);
}

#[test]
fn a_changed_audit_line_breaks_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    for n in 0..5 {
        let entry = AuditEntry {
            at: Unix(n),
            who: "mira".to_owned(),
            address: "192.0.2.1".to_owned(),
            what: "login".to_owned(),
            detail: String::new(),
        };
        state.commit(&[], &[Change::Audit(entry)]).unwrap();
    }
    let reader = state.reader().unwrap();
    let newest = reader.audit(None, 1).unwrap()[0].hash;
    let whole = AuditCheck::Whole { lines: 5, newest: Some(newest) };
    assert_eq!(reader.check_audit().unwrap(), whole);
    assert_eq!(reader.audit(Some(3), 10).unwrap().len(), 2);
    state.connection.execute("UPDATE audit SET who = 'eve' WHERE id = 3", []).unwrap();
    assert_eq!(reader.check_audit().unwrap(), AuditCheck::BrokenAt { id: 3, lines: 2 });
    state.connection.execute("DELETE FROM audit WHERE id = 3", []).unwrap();
    assert_eq!(reader.check_audit().unwrap(), AuditCheck::BrokenAt { id: 4, lines: 2 });
}

#[test]
fn a_session_that_goes_on_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let user = UserName::new("mira").unwrap();
    let first = SessionRecord {
        token: [4; 32],
        user: user.clone(),
        created: Unix(1),
        last_seen: Unix(1),
        address: "192.0.2.1".to_owned(),
        agent: "a browser".to_owned(),
        csrf: String::new(),
    };
    let later =
        SessionRecord { last_seen: Unix(9), address: "192.0.2.2".to_owned(), ..first.clone() };
    state.commit(&[], &[Change::Session(first), Change::Session(later.clone())]).unwrap();
    assert_eq!(state.reader().unwrap().sessions(&user).unwrap(), [later]);
}

#[test]
fn second_factors_are_replaced_as_one_and_go_with_their_user() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let [mira, tom] = ["mira", "tom"].map(|name| UserName::new(name).unwrap());
    let key = |id: u8| PasskeyRecord {
        id: vec![id; 20],
        label: "laptop".to_owned(),
        domain: "mon.example.net".to_owned(),
        algorithm: -7,
        key: vec![4; 65],
        counter: u32::MAX,
        created: Unix(i64::from(id)),
        used: Some(Unix(9)),
    };
    let of_mira = FactorsRecord {
        user: mira.clone(),
        totp: Some(TotpRecord { secret: vec![1; 20], since: Unix(1), step: u64::MAX }),
        recovery: vec![[1; 32], [2; 32]],
        passkeys: vec![key(1), key(2)],
    };
    let of_tom = FactorsRecord { passkeys: vec![key(3)], ..FactorsRecord::none(tom.clone()) };
    state
        .commit(&[], &[Change::Factors(of_mira.clone()), Change::Factors(of_tom.clone())])
        .unwrap();
    let reader = state.reader().unwrap();
    assert_eq!(reader.factors(&mira).unwrap(), of_mira);
    assert_eq!(reader.passkey_owner(&[3; 20]).unwrap(), Some(tom.clone()));
    assert_eq!(reader.passkey_owner(&[4; 20]).unwrap(), None);
    assert_eq!(reader.users_with_factors().unwrap(), [mira.clone(), tom.clone()]);
    let fewer = FactorsRecord { totp: None, recovery: vec![[2; 32]], ..of_mira };
    state.commit(&[], &[Change::Factors(fewer.clone())]).unwrap();
    assert_eq!(reader.factors(&mira).unwrap(), fewer);
    state.commit(&[], &[Change::UserRemoved(mira.clone())]).unwrap();
    assert_eq!(reader.factors(&mira).unwrap(), FactorsRecord::none(mira));
    assert_eq!(reader.factors(&tom).unwrap(), of_tom);
}

#[test]
fn a_passkey_belongs_to_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let key = PasskeyRecord {
        id: vec![7; 16],
        label: String::new(),
        domain: "a".to_owned(),
        algorithm: -8,
        key: vec![5; 32],
        counter: 0,
        created: Unix(1),
        used: None,
    };
    let of = |name: &str| {
        let user = UserName::new(name).unwrap();
        let record = FactorsRecord::none(user);
        Change::Factors(FactorsRecord { passkeys: vec![key.clone()], ..record })
    };
    state.commit(&[], &[of("mira")]).unwrap();
    state.commit(&[], &[of("tom")]).unwrap();
    let owner = state.reader().unwrap().passkey_owner(&[7; 16]).unwrap();
    assert_eq!(owner, Some(UserName::new("mira").unwrap()));
}
