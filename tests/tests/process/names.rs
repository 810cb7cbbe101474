//! Who looks up the name of the masquerade address.

use ftpdlib_tests::program::Program;

use super::alone;
use super::programs::{MODELS, is_root};

#[test]
fn a_parent_left_the_masquerade_name_to_workers_that_served_already() {
    let _alone = alone();
    let as_another: &[&str] = &["--user", "4000000123"];
    let models = MODELS.into_iter().chain(is_root().then_some(as_another));
    for model in models {
        let configuration = |name: &str| {
            format!(
                "[server]\nlisten = [\"127.0.0.1:0\"]\n[control]\nmasquerade_address = {name:?}\n"
            )
        };
        let mut program = Program::configured(model, &configuration("localhost"));
        program.rewrite(&configuration("LOCALHOST"));
        program.signal("HUP");
        // In this order: workers are forked once the configuration has been read.
        program.wait_for("masquerade (NAT) address LOCALHOST is 127.0.0.1");
        program.wait_for("configuration read again");
        program.end_at_once();
    }
}
