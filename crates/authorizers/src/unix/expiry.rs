//! Whether an account or its password has expired (shadow(5)). Times are days since 1970.

use ftpdlib_sys::unix_now;

/// The current day, in UTC like the days of the shadow file.
pub(super) fn today() -> i64 {
    const DAY: i64 = 24 * 60 * 60;
    unix_now() / DAY
}

/// Whether an account has expired, which it does at the start of its day of expiry.
pub(super) fn account_has_expired(expires: Option<i64>, today: i64) -> bool {
    expires.is_some_and(|day| today >= day)
}

/// Whether an account is inactive: its password has not been changed within `inactive_days` after
/// it expired. For a password that has to be changed at once, there is no day to count from.
pub(super) fn account_is_inactive(
    changed: Option<i64>,
    most_days: Option<i64>,
    inactive_days: Option<i64>,
    today: i64,
) -> bool {
    match (changed, most_days, inactive_days) {
        (Some(changed @ 1..), Some(most_days), Some(inactive_days)) => {
            today.saturating_sub(changed) > most_days.saturating_add(inactive_days)
        }
        _ => false,
    }
}

/// Whether a password has to be changed. It is then refused, since an FTP client cannot change it,
/// even in the days in which a login shell would ask for a new one.
pub(super) fn password_has_expired(
    changed: Option<i64>,
    most_days: Option<i64>,
    today: i64,
) -> bool {
    match (changed, most_days) {
        (Some(0), _) => true,
        (Some(changed), Some(most_days)) => today.saturating_sub(changed) > most_days,
        (Some(_), None) | (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: i64 = 20_000;

    #[track_caller]
    fn check_account(expires: Option<i64>, expected: bool) {
        let got = account_has_expired(expires, TODAY);
        assert_eq!(got, expected, "{expires:?}");
    }

    #[test]
    fn accounts_expire_on_their_day() {
        check_account(None, false);
        check_account(Some(TODAY + 1), false);
        check_account(Some(TODAY), true);
        check_account(Some(TODAY - 1), true);
        check_account(Some(1), true);
        check_account(Some(0), true);
    }

    #[track_caller]
    fn check_inactive(days: [i64; 3], expected: bool) {
        // As in the fields of the shadow file, -1 means not set.
        let [changed, most_days, inactive_days] = days.map(|day| (day >= 0).then_some(day));
        let got = account_is_inactive(changed, most_days, inactive_days, TODAY);
        assert_eq!(got, expected, "{days:?}");
    }

    #[test]
    fn accounts_whose_password_was_not_changed_for_long_expire() {
        check_inactive([TODAY - 120, 90, 30], false);
        check_inactive([TODAY - 121, 90, 30], true);
        check_inactive([TODAY - 200, 90, 0], true);
        check_inactive([TODAY - 200, 90, -1], false);
        check_inactive([TODAY - 200, -1, 30], false);
        check_inactive([-1, 90, 30], false);
        check_inactive([0, 90, 30], false);
        check_inactive([TODAY - 200, i64::MAX, i64::MAX], false);
        check_inactive([TODAY + 10, 5, 0], false);
    }

    #[track_caller]
    fn check_password(changed: Option<i64>, most_days: Option<i64>, expected: bool) {
        let got = password_has_expired(changed, most_days, TODAY);
        assert_eq!(got, expected, "{changed:?} {most_days:?}");
    }

    #[test]
    fn passwords_expire_after_their_days() {
        check_password(None, None, false);
        check_password(None, Some(5), false);
        check_password(Some(TODAY), None, false);
        check_password(Some(1), None, false);
        check_password(Some(1), Some(99_999), false);
        check_password(Some(TODAY - 90), Some(90), false);
        check_password(Some(TODAY - 91), Some(90), true);
        check_password(Some(TODAY), Some(0), false);
        check_password(Some(TODAY - 1), Some(0), true);
        // A change in the future, as when the clock was wrong.
        check_password(Some(TODAY + 10), Some(5), false);
        check_password(Some(i64::MAX), Some(i64::MAX), false);
    }

    #[test]
    fn a_password_that_must_be_changed_at_once_has_expired() {
        check_password(Some(0), None, true);
        check_password(Some(0), Some(99_999), true);
    }
}
