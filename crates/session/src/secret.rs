//! Values that must not appear in logs.

use std::fmt;

/// A password, or what may be one: its `Debug` output does not show it.
#[derive(Clone)]
pub struct Secret<T>(pub T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Effect;

    #[test]
    fn a_password_is_not_shown() {
        let effect: Effect<()> = Effect::LogIn {
            username: "alice".to_owned(),
            password: Some(Secret("rose".into())),
        };
        let shown = format!("{effect:?}");
        assert!(
            shown.contains("alice") && !shown.contains("rose"),
            "{shown}"
        );
    }
}
