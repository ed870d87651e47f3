//! `ldap` against OpenLDAP, beside `check_ldap`.

use std::error::Error as _;
use std::process::Command;
use std::time::Duration;

use hark_checks::directory::{Directory, Groups, Person, Way};
use hark_conditions::Fact;
use hark_model::{Secret, Status};
use hark_net::{Resolver, Tls, Trust};
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME, Pair};
use crate::support::process::{Process, as_nobody, folder_of_nobody, open_to_all, succeed};
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, needs, plugin, same, until_open,
};

const PROGRAM: &str = "/usr/sbin/slapd";

const ENTRIES: &str = "dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\no: test\n\
    dc: test\n\ndn: uid=anna,dc=test\nobjectClass: inetOrgPerson\nuid: anna\ncn: Anna\nsn: A\n\
    mail: anna@example.net\nmail: a@example.net\nuserPassword: hush\n";

struct Slapd {
    port: u16,
    tls_port: u16,
    _process: Process,
}

/// Two people who are called the same, and one who is in a group.
const PEOPLE: &str = "\n\ndn: uid=bert,dc=test\nobjectClass: inetOrgPerson\nuid: bert\ncn: Bert\nsn: B\n\
    mail: a@example.net\nuserPassword: hush\n\ndn: uid=c*,dc=test\nobjectClass: inetOrgPerson\nuid: c*\n\
    cn: C\nsn: C\nuserPassword: star\n\ndn: cn=dba,dc=test\nobjectClass: groupOfNames\ncn: dba\n\
    member: uid=anna,dc=test\nmember: cn=staff,dc=test\n\ndn: cn=staff,dc=test\n\
    objectClass: groupOfNames\ncn: staff\nmember: cn=dba,dc=test\n";

/// Starts a directory whose certificate is `pair`.
async fn slapd(folder: &TempDir, name: &str, pair: &Pair) -> Slapd {
    slapd_of(folder, name, pair, ENTRIES).await
}

/// As [`slapd`], with these entries.
async fn slapd_of(folder: &TempDir, name: &str, pair: &Pair, entries: &str) -> Slapd {
    needs(PROGRAM);
    open_to_all(&pair.key);
    let own = folder_of_nobody(folder.path(), name);
    let data = folder_of_nobody(&own, "data");
    drop(std::os::unix::fs::chown(&own, Some(65534), Some(65534)));
    let (dir, certificate, key) = (own.display(), pair.certificate.display(), pair.key.display());
    let settings = format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\npidfile {dir}/pid\n\
         TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\nTLSVerifyClient never\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nsuffix \"dc=test\"\n\
         rootdn \"cn=admin,dc=test\"\nrootpw sesame\ndirectory {}\n\
         access to attrs=userPassword by anonymous auth\naccess to * by * read\n",
        data.display()
    );
    let file = own.join("slapd.conf");
    std::fs::write(&file, settings).unwrap();
    std::fs::write(own.join("entries"), entries).unwrap();
    let file = file.display().to_string();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(["-f", &file]).args(arguments).current_dir(&own);
        as_nobody(&mut command, folder.path());
        command
    };
    succeed(&mut run("/usr/sbin/slapadd", &["-q", "-l", "entries"]));
    let (port, tls_port) = (free_port(), free_port());
    let urls = format!("ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/");
    let process = Process::start(&mut run(PROGRAM, &["-h", &urls, "-d", "0"]), &own);
    until_open(port).await;
    until_open(tls_port).await;
    Slapd { port, tls_port, _process: process }
}

#[tokio::test]
async fn ldap_searches_openldap_as_check_ldap_does() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let server = slapd(&folder, "a", &authority.good()).await;
    let number = server.port.to_string();
    let at = ["-H", "127.0.0.1", "-p", &*number, "-3"];
    let theirs = |more: &[&str]| plugin("check_ldap", &[&at[..], more].concat());
    let ours = expect("ldap", server.port, &[("base", "dc=test")], Status::Ok, "1 entries").await;
    same(&ours, &theirs(&["-b", "dc=test"]));
    assert_eq!(ours.facts.get("names"), &Fact::from(vec!["dc=test".to_owned()]));
    let nowhere = [("base", "dc=nowhere")];
    let ours = expect("ldap", server.port, &nowhere, Status::Critical, "noSuchObject").await;
    same(&ours, &theirs(&["-b", "dc=nowhere"]));
    let login = [("base", "dc=test"), ("bind_dn", "uid=anna,dc=test"), ("password", "hush")];
    let ours = expect("ldap", server.port, &login, Status::Ok, "1 entries").await;
    same(&ours, &theirs(&["-b", "dc=test", "-D", "uid=anna,dc=test", "-P", "hush"]));
    let wrong = [("base", "dc=test"), ("bind_dn", "uid=anna,dc=test"), ("password", "no")];
    let refused = "it refuses the login: invalidCredentials";
    let ours = expect("ldap", server.port, &wrong, Status::Critical, refused).await;
    let theirs = theirs(&["-b", "dc=test", "-D", "uid=anna,dc=test", "-P", "no"]);
    assert_eq!((ours.status, theirs.0), (Status::Critical, Status::Critical), "{}", theirs.1);
    let away = free_port();
    let ours = look("ldap", away, &[]).await;
    let away = away.to_string();
    same(&ours, &plugin("check_ldap", &["-H", "127.0.0.1", "-p", &away, "-b", "dc=test", "-3"]));
    good_slow_and_over_ipv6_alone("ldap", server.port, &[]).await;
}

#[tokio::test]
async fn ldap_finds_entries_and_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let server = slapd(&folder, "a", &authority.good()).await;
    let whole = [("base", "dc=test"), ("scope", "sub")];
    let with = |more: &[(&'static str, &'static str)]| [&whole[..], more].concat();
    for (filter, entries) in
        [("(uid=a*a)", 1), ("(&(objectClass=*)(!(uid=anna)))", 1), ("(|(uid=anna)(dc=test))", 2)]
    {
        let options = with(&[("filter", filter)]);
        let text = format!("{entries} entries");
        expect("ldap", server.port, &options, Status::Ok, &text).await;
    }
    let anna = with(&[("filter", "(uid=anna)"), ("attribute", "MAIL")]);
    let finding = expect("ldap", server.port, &anna, Status::Ok, "1 entries").await;
    let mails = vec!["anna@example.net".to_owned(), "a@example.net".to_owned()];
    assert_eq!(finding.facts.get("values"), &Fact::from(mails));
    let right = [&anna[..], &[("expect", "a@example.net")]].concat();
    expect("ldap", server.port, &right, Status::Ok, "").await;
    let wrong = [&anna[..], &[("expect", "b@example.net")]].concat();
    expect("ldap", server.port, &wrong, Status::Critical, "none has MAIL").await;
    let nobody = with(&[("filter", "(uid=bert)")]);
    expect("ldap", server.port, &nobody, Status::Critical, "0 entries, fewer than 1").await;
}

#[tokio::test]
async fn ldap_speaks_tls_from_the_start_and_on_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let ca_file = authority.file();
    let good = slapd(&folder, "a", &authority.good()).await;
    let expired = slapd(&folder, "b", &authority.expired()).await;
    for (tls, port, expired) in
        [("starttls", good.port, expired.port), ("true", good.tls_port, expired.tls_port)]
    {
        let trusting = [("tls", tls), ("tls_name", NAME), ("ca_file", ca_file.as_str())];
        let login = [("bind_dn", "cn=admin,dc=test"), ("password", "sesame")];
        let login = [&trusting[..], &login].concat();
        expect("ldap", port, &login, Status::Ok, "certificate good for").await;
        expect("ldap", port, &trusting[..2], Status::Critical, "UnknownIssuer").await;
        let finding = expect("ldap", expired, &trusting, Status::Critical, "no TLS").await;
        assert!(finding.text.to_lowercase().contains("expired"), "{}", finding.text);
    }
}

/// Returns the directory of `server` as a way to log in.
fn directory(server: &Slapd, way: Way, trust: Trust) -> Directory {
    let text = str::to_owned;
    Directory {
        host: "127.0.0.1".to_owned(),
        port: if way == Way::Tls { server.tls_port } else { server.port },
        way,
        tls: Tls::new(trust),
        reader: Some((text("cn=admin,dc=test"), Secret::new("sesame"))),
        base: text("dc=test"),
        filter: text("(|(uid={name})(mail={name}))"),
        id: text("entryUUID"),
        name: text("uid"),
        full_name: text("cn"),
        member_of: text("memberOf"),
        groups: Some(Groups {
            base: text("dc=test"),
            filter: text("(member={dn})"),
            name: text("cn"),
            is_nested: false,
        }),
        timeout: Duration::from_secs(10),
    }
}

async fn log_in(
    directory: &Directory,
    name: &str,
    password: &str,
) -> Result<Option<Person>, String> {
    let asked = directory.log_in(&Resolver::default(), name, &Secret::new(password)).await;
    asked.map_err(|error| {
        let (mut text, mut cause) = (error.to_string(), error.source());
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    })
}

#[tokio::test]
async fn a_directory_says_whose_name_and_password_these_are_and_in_which_groups_he_is() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let entries = format!("{}{PEOPLE}", ENTRIES.trim_end());
    let server = slapd_of(&folder, "a", &authority.good(), &entries).await;
    let plain = directory(&server, Way::Plain, Trust::System);
    let anna = log_in(&plain, "anna", "hush").await.unwrap().unwrap();
    assert_eq!((anna.name.as_str(), anna.full_name.as_str()), ("anna", "Anna"));
    assert_eq!((anna.groups.as_slice(), anna.id.len()), (&["dba".to_owned()][..], 36), "{anna:?}");
    let by_mail = log_in(&plain, "anna@example.net", "hush").await.unwrap().unwrap();
    assert_eq!(by_mail, anna, "found by what was typed, called what the directory calls her");
    let bert = log_in(&plain, "bert", "hush").await.unwrap().unwrap();
    assert_eq!(bert.groups, [""; 0]);
    let star = log_in(&plain, "c*", "star").await.unwrap().unwrap();
    assert_eq!(star.name, "c*", "what stands for anything in a filter stands for itself");
    // The group that she is in is in another one, which is in the former.
    let groups = plain.groups.clone().map(|groups| Groups { is_nested: true, ..groups });
    let nested = Directory { groups, ..directory(&server, Way::Plain, Trust::System) };
    let all = log_in(&nested, "anna", "hush").await.unwrap().unwrap().groups;
    assert_eq!(all, ["dba", "staff"]);
    for (name, password) in [
        ("anna", "wrong"),
        ("anna", ""),
        ("", "hush"),
        ("nobody", "hush"),
        ("*", "hush"),
        ("ann*", "hush"),
        ("anna)(uid=*", "hush"),
        ("*)(|(uid=anna", "hush"),
        ("\\61nna", "hush"),
        ("anna\0", "hush"),
    ] {
        assert_eq!(log_in(&plain, name, password).await, Ok(None), "{name:?} {password:?}");
    }
    let two = log_in(&plain, "a@example.net", "hush").await.unwrap_err();
    assert!(two.contains("several entries"), "{two}");
    let nobody = Directory { reader: None, ..directory(&server, Way::Plain, Trust::System) };
    assert!(log_in(&nobody, "anna", "hush").await.unwrap().is_some());
    let reader = Some(("cn=admin,dc=test".to_owned(), Secret::new("secret-of-the-reader")));
    let wrong = Directory { reader, ..directory(&server, Way::Plain, Trust::System) };
    let told = log_in(&wrong, "anna", "hush").await.unwrap_err();
    assert!(told.contains("invalidCredentials") && !told.contains("secret-of"), "{told}");
}

#[tokio::test]
async fn a_directory_is_asked_in_tls_of_somebody_who_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let server = slapd(&folder, "a", &authority.good()).await;
    let expired = slapd(&folder, "b", &authority.expired()).await;
    for way in [Way::Tls, Way::StartTls] {
        let refused = log_in(&directory(&server, way, Trust::System), "anna", "hush").await;
        assert!(refused.unwrap_err().contains("UnknownIssuer"), "{way:?}");
        let file = || Trust::File(authority.file().into());
        let found = log_in(&directory(&server, way, file()), "anna", "hush").await.unwrap();
        assert_eq!(found.unwrap().name, "anna", "{way:?}");
        let ended = log_in(&directory(&expired, way, file()), "anna", "hush").await.unwrap_err();
        assert!(ended.to_lowercase().contains("expired"), "{way:?}: {ended}");
    }
    let away = Directory { port: free_port(), ..directory(&server, Way::Plain, Trust::System) };
    assert!(log_in(&away, "anna", "hush").await.unwrap_err().contains("cannot be reached"));
    // It takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = Directory {
        port: silent.local_addr().unwrap().port(),
        timeout: Duration::from_millis(50),
        ..directory(&server, Way::Tls, Trust::System)
    };
    assert_eq!(log_in(&slow, "anna", "hush").await, Err("it takes longer than 50ms".to_owned()));
}
