//! What a token lets its bearer do.

use std::collections::BTreeSet;

use crate::model::ids::TenantId;

/// What may be done; a role may what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Ask.
    Read,
    /// Do what a running service needs now and then.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Role; 3] = [Role::Read, Role::Operate, Role::Admin];

    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }

    /// The role that a word means.
    pub fn of(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.label() == word)
    }
}

/// Whose data may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenants {
    /// Everybody's.
    All,
    /// These tenants'.
    These(BTreeSet<TenantId>),
}

impl Tenants {
    /// From texts: ids, or `*` for all. Errors with the first that is neither.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Tenants, String> {
        let (mut all, mut these) = (false, BTreeSet::new());
        for text in texts {
            match text {
                "*" => all = true,
                id => _ = these.insert(TenantId::new(id).map_err(|_| id.to_owned())?),
            }
        }
        Ok(if all { Tenants::All } else { Tenants::These(these) })
    }

    /// Whether this tenant's data may be seen.
    pub fn cover(&self, tenant: &str) -> bool {
        match self {
            Tenants::All => true,
            Tenants::These(these) => these.contains(tenant),
        }
    }
}

/// Who asks, and what they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Under which name they are known: a key's id, a token's subject, a certificate's name.
    pub who: String,
    /// Whose data they may see.
    pub tenants: Tenants,
    /// The greatest role; `None`: none that is known.
    pub role: Option<Role>,
    /// Whether a token names them, so that their rate is limited.
    pub by_token: bool,
}

impl Grant {
    /// Everything, where no token is asked for.
    pub fn everything(who: impl Into<String>) -> Grant {
        Grant { who: who.into(), tenants: Tenants::All, role: Some(Role::Admin), by_token: false }
    }

    /// Whether this may be done.
    pub fn allows(&self, role: Role) -> bool {
        self.role.is_some_and(|own| own >= role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_what_the_lesser_ones_may() {
        let cases = [
            (None, [false, false, false]),
            (Some(Role::Read), [true, false, false]),
            (Some(Role::Operate), [true, true, false]),
            (Some(Role::Admin), [true, true, true]),
        ];
        for (role, expected) in cases {
            let grant = Grant { role, ..Grant::everything("x") };
            assert_eq!(Role::ALL.map(|wanted| grant.allows(wanted)), expected, "{role:?}");
        }
    }

    #[test]
    fn tenants_are_listed_or_all() {
        let some = Tenants::of(["a", "b"]).unwrap();
        assert!(some.cover("a") && some.cover("b") && !some.cover("ab") && !some.cover("*"));
        assert!(Tenants::of(["a", "*"]).unwrap().cover("anybody"));
        assert!(!Tenants::of([]).unwrap().cover("a"));
        assert_eq!(Tenants::of(["a", "b/c"]), Err("b/c".to_owned()));
    }
}
