//! A pointer to an authorizer is an authorizer.

use std::sync::Arc;

use ftpdlib_proto::{Perm, Perms, VirtualPath};

use crate::{AuthenticationFailed, Authorizer, AuthorizerError, Guard, Login, LoginRequest};

macro_rules! hand_on {
    ($pointer:ident) => {
        impl<T: Authorizer + ?Sized> Authorizer for $pointer<T> {
            fn authenticate(
                &self,
                request: &LoginRequest<'_>,
            ) -> Result<Login, AuthenticationFailed> {
                (**self).authenticate(request)
            }

            fn authenticate_by_certificate(
                &self,
                request: &LoginRequest<'_>,
            ) -> Result<Login, AuthenticationFailed> {
                (**self).authenticate_by_certificate(request)
            }

            fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
                (**self).has_perm(login, perm, path)
            }

            fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
                (**self).perms(login, path)
            }

            fn perms_anywhere(&self, login: &Login) -> Perms {
                (**self).perms_anywhere(login)
            }

            fn has_overrides(&self, login: &Login) -> bool {
                (**self).has_overrides(login)
            }

            fn impersonate(&self, login: &Login) -> Result<Guard, AuthorizerError> {
                (**self).impersonate(login)
            }

            fn is_immediate(&self, username: &str) -> bool {
                (**self).is_immediate(username)
            }

            fn is_local(&self) -> bool {
                (**self).is_local()
            }
        }
    };
}

hand_on!(Arc);
hand_on!(Box);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Answers otherwise than the defaults do.
    struct Other;

    impl Authorizer for Other {
        fn authenticate(&self, _: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
            Ok(Login::new("word", "/"))
        }

        fn authenticate_by_certificate(
            &self,
            _: &LoginRequest<'_>,
        ) -> Result<Login, AuthenticationFailed> {
            Ok(Login::new("certificate", "/"))
        }

        fn has_perm(&self, _: &Login, perm: Perm, _: &VirtualPath) -> bool {
            perm == Perm::List
        }

        fn perms(&self, _: &Login, _: &VirtualPath) -> Perms {
            Perms::READ_ONLY
        }

        fn perms_anywhere(&self, _: &Login) -> Perms {
            Perms::NONE
        }

        fn has_overrides(&self, _: &Login) -> bool {
            false
        }

        fn impersonate(&self, _: &Login) -> Result<Guard, AuthorizerError> {
            Err(AuthorizerError::NoSuchUser("other".into()))
        }

        fn is_immediate(&self, _: &str) -> bool {
            true
        }

        fn is_local(&self) -> bool {
            true
        }
    }

    fn check(pointer: impl Authorizer) {
        let peer = (Ipv4Addr::LOCALHOST, 1).into();
        let request = LoginRequest::new("user", "12345", peer, peer);
        let login = pointer.authenticate(&request).unwrap();
        let by_certificate = pointer.authenticate_by_certificate(&request).unwrap();
        let root = VirtualPath::root();
        assert_eq!(login.username, "word");
        assert_eq!(by_certificate.username, "certificate");
        assert!(pointer.has_perm(&login, Perm::List, &root));
        assert_eq!(pointer.perms(&login, &root), Perms::READ_ONLY);
        assert_eq!(pointer.perms_anywhere(&login), Perms::NONE);
        assert!(!pointer.has_overrides(&login));
        assert!(pointer.impersonate(&login).is_err());
        assert!(pointer.is_immediate("user"));
        assert!(pointer.is_local());
    }

    #[test]
    fn a_pointer_answers_what_its_authorizer_does() {
        check(Arc::new(Other));
        check(Box::new(Other) as Box<dyn Authorizer>);
    }
}
