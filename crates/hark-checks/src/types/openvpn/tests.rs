use hark_config::{Document, NoSecrets, Style};

use super::*;
use crate::families;

fn errors(text: &str) -> String {
    let document = Document::single(&format!("address: vpn.example\n{text}"));
    let root = document.root(&NoSecrets);
    drop(families::read(&OpenVpn, &root, &[], crate::conditions::Conditions::default()));
    document.diagnostics().render(Style::Plain)
}

fn key() -> String {
    let lines = "  00112233445566778899aabbccddeeff\n".repeat(16);
    format!(
        "|\n  -----BEGIN OpenVPN Static key V1-----\n{lines}  -----END OpenVPN Static key V1-----\n"
    )
}

#[test]
fn a_server_has_one_kind_of_key() {
    assert_eq!(errors(&format!("tls_auth: {}key_direction: none\nauth: sha512\n", key())), "");
    assert_eq!(errors(&format!("tls_crypt: {}", key())), "");
    let both = errors(&format!("tls_auth: {}tls_crypt: {}", key(), key()));
    assert!(both.contains("either `tls_auth` or `tls_crypt`"), "{both}");
}

#[test]
fn what_is_no_key_is_said_without_showing_it() {
    let errors = errors("tls_auth: hunter2hunter2\n");
    assert!(errors.contains("no static key as `openvpn --genkey` writes it"), "{errors}");
}
