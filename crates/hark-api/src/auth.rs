//! Logging in and out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A name and a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
    /// The code of an app or a recovery code, for users who have a second factor. Without it they are
    /// answered with the problem `second-factor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A new session. Browsers get it as a cookie as well and need not look at the token.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Login {
    /// The session's token, for programs: `Authorization: Bearer …`.
    pub token: String,
    /// Who logged in.
    pub user: Me,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The user of this session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The name to log in with.
    pub name: String,
    /// The name for people.
    pub full_name: String,
    /// An administrator may do everything on every host.
    pub admin: bool,
    /// The user's role on each host that has one.
    pub roles: BTreeMap<String, Role>,
    /// The value of the header `X-Hark-CSRF` that writes with a cookie need.
    pub csrf: String,
    /// Whether the user has a second factor.
    pub second_factor: SecondFactorState,
    /// Nobody has logged in: whoever reaches this page may do everything.
    pub open: bool,
}

/// Whether a user has a second factor beside the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecondFactorState {
    /// No, and none is demanded.
    None,
    /// Yes.
    Set,
    /// No, but this server demands one: until there is one, everything else is refused.
    Needed,
}

/// Where one can log in elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Providers {
    /// In the order in which they are shown.
    pub providers: Vec<Provider>,
}

/// Somebody who vouches for users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provider {
    /// What its button says.
    pub label: String,
    /// Where the browser goes to log in there; `?next=/PATH` is where it comes back to.
    pub path: String,
}

/// What a user may do on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See it.
    Monitor,
    /// Also acknowledge and silence.
    Manager,
    /// Also drop it.
    Owner,
}

/// A new password for oneself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The present one.
    pub old: String,
    /// The next one, at least 10 characters.
    pub new: String,
}

impl std::fmt::Debug for PasswordRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordRequest").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_do_not_show_passwords() {
        let login = LoginRequest {
            username: "mira".to_owned(),
            password: "hunter2".to_owned(),
            code: Some("123456".to_owned()),
        };
        assert_eq!(format!("{login:?}"), "LoginRequest { username: \"mira\", .. }");
        let password = PasswordRequest { old: "hunter2".to_owned(), new: "hunter3".to_owned() };
        assert!(!format!("{password:?}").contains("hunter"));
    }

    #[test]
    fn roles_are_ordered_by_what_they_allow() {
        assert!(Role::Monitor < Role::Manager && Role::Manager < Role::Owner);
    }

    #[test]
    fn misspelt_fields_are_refused() {
        let text = r#"{"username":"a","password":"b","remember":true}"#;
        assert!(serde_json::from_str::<LoginRequest>(text).is_err());
    }
}
