use super::*;

#[test]
fn users_who_could_never_log_in_for_want_of_a_shell_were_accepted() {
    let nobody = SystemUser::known(NOBODY).unwrap();
    let requiring = GlobalSettings {
        require_valid_shell: true,
        anonymous_user: Some(NOBODY.into()),
        ..settings_for_all()
    };
    let Some(authorizer) = authorizer(requiring) else {
        return;
    };
    if super::super::shells::is_valid(nobody.shell()) {
        eprintln!("skipped: everybody has a valid shell");
        return;
    }
    let read = |name: &str| authorizer.override_user(UserOverride::new(name).perm("elr"));
    let error = read(NOBODY).unwrap_err();
    let shell = nobody.shell();
    let text = format!(
        "user \"nobody\" has the shell {shell:?}, which is not in /etc/shells, as \
         require_valid_shell wants"
    );
    assert_eq!(error.to_string(), text);
    read("anonymous").unwrap();
    if can_act_as_others() {
        let builder = || UnixAuthorizer::builder().allowed_users([NOBODY]);
        check_refused(builder(), &text);
        builder().require_valid_shell(false).build().unwrap();
    }
}
