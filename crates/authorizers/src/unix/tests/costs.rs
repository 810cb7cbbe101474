//! The cost of a refusal, which must not reveal to a client whether a user exists.

use super::*;
use crate::hash_permit::tests::ACQUIRED;

/// The hash of no known password, which is quick to check.
const OWN_HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";

#[test]
fn a_refusal_costs_the_hashes_of_every_method_in_use() {
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    let hashes = |name: &str| {
        let before = ACQUIRED.get();
        assert!(authorizer.find(name, given("x")).is_none(), "{name}");
        ACQUIRED.get() - before
    };
    // The user `nobody` has no password hash.
    let of_the_system = [NOBODY, STRANGER].map(hashes);
    assert!(of_the_system[0] > 0, "{of_the_system:?}");
    assert_eq!(of_the_system[0], of_the_system[1]);
    let user = UserOverride::new(NOBODY).password_hash(OWN_HASH);
    authorizer.override_user(user).unwrap();
    assert_eq!(
        [NOBODY, STRANGER].map(hashes),
        of_the_system.map(|count| count + 1)
    );
}
