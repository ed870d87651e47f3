//! Users, for administrators.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::Role;
use crate::hosts::Declared;

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// The name for people.
    pub full_name: String,
    /// May do everything on every host.
    pub admin: bool,
    /// The role on each host that has one.
    pub roles: BTreeMap<String, Role>,
    /// Has a second factor beside the password.
    pub second_factor: bool,
    /// Is a program: it has tokens and cannot log in.
    pub service: bool,
    /// Who vouches for the user, who has no password here then: `oidc NAME` or `ldap NAME`.
    #[schema(required = true)]
    pub origin: Option<String>,
    /// Where the configuration declares the user: such a user is changed there.
    #[schema(required = true)]
    pub declared: Option<Declared>,
}

/// A new user.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name to log in with.
    pub name: String,
    /// The name for people.
    #[serde(default)]
    pub full_name: String,
    /// At least 10 characters. A program has none.
    #[serde(default)]
    pub password: Option<String>,
    /// Is a program: it gets tokens from administrators, and cannot log in.
    #[serde(default)]
    pub service: bool,
    /// May do everything on every host.
    #[serde(default)]
    pub admin: bool,
    /// The role on each host that shall have one.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser")
            .field("name", &self.name)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// A change of a user; what is not given stays.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// The name for people.
    #[serde(default)]
    pub full_name: Option<String>,
    /// At least 10 characters; ends the user's sessions.
    #[serde(default)]
    pub password: Option<String>,
    /// May do everything on every host.
    #[serde(default)]
    pub admin: Option<bool>,
    /// Replaces the roles.
    #[serde(default)]
    pub roles: Option<BTreeMap<String, Role>>,
}

impl std::fmt::Debug for UserChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserChange")
            .field("full_name", &self.full_name)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}
