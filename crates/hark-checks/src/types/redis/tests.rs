use super::*;

fn info(text: &str) -> Said {
    let pong = Some(Reply::Word("PONG".to_owned()));
    Said { ping: pong, info: Some(Ok(resp::facts(text.as_bytes()))), refused: None }
}

fn answer(ping: Reply) -> Said {
    Said { ping: Some(ping), ..Said::default() }
}

#[test]
fn a_replica_that_is_cut_off_is_a_warning() {
    let well = "redis_version:7.0.15\r\nrole:slave\r\nmaster_host:a\r\nmaster_link_status:up\r\n";
    let finding = judge(&info(well));
    assert_eq!((finding.status, &*finding.text), (Status::Ok, "Redis 7.0.15, slave"));
    let cut = judge(&info(&well.replace(":up", ":down")));
    assert_eq!((cut.status, &*cut.text), (Status::Warning, "Redis 7.0.15, slave, cut from a"));
}

#[test]
fn a_failed_save_is_a_warning() {
    let finding = judge(&info("role:master\r\nrdb_last_bgsave_status:err\r\n"));
    assert_eq!(finding.status, Status::Warning);
    assert!(finding.text.ends_with("the last save to disk failed"), "{}", finding.text);
}

#[test]
fn figures_are_measures_and_every_line_is_a_fact() {
    let finding = judge(&info("used_memory:1024\r\nmaxmemory:0\r\nos:Linux 6\r\nrole:master\r\n"));
    let names: Vec<_> = finding.measures.iter().map(|m| (&*m.name, m.value)).collect();
    assert_eq!(names, [("memory_bytes", 1024.0)]);
    assert_eq!(finding.facts.get("info_os"), &"Linux 6".into());
    assert_eq!(finding.facts.get("info_used_memory"), &1024.0.into());
}

#[test]
fn refusals_are_critical_in_the_words_of_the_server() {
    let error = |text: &str| Reply::Error(text.to_owned());
    for (said, text) in [
        (answer(error("NOAUTH Authentication required.")), "it wants a password: NOAUTH"),
        (answer(error("LOADING Redis is loading")), "it answers PING with: LOADING"),
        (answer(Reply::Word("42".to_owned())), "it does not answer PING with PONG"),
        (
            Said { refused: Some("WRONGPASS no".to_owned()), ..Said::default() },
            "it refuses the login: WRONGPASS",
        ),
    ] {
        let finding = judge(&said);
        assert_eq!(finding.status, Status::Critical);
        assert!(finding.text.starts_with(text), "{}", finding.text);
    }
}
