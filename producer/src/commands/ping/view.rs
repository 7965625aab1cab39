//! `drawgate ping`, for people.

use drawgate_schemas::Reply;

use crate::view::words::count;

/// One line for a worker, then one line for each of its concerns.
pub(super) fn pong(worker: &str, reply: &Reply) -> String {
    match reply {
        Reply::Pong(pong) => {
            let services = count(pong.services as usize, "service", "services");
            let open = match pong.open {
                0 => "nothing open".to_owned(),
                open => format!("{} open", count(open as usize, "release", "releases")),
            };
            let fit = match &pong.not_ready {
                None => String::new(),
                Some(why) => format!("; !! takes no release in: {why}"),
            };
            let concerns = pong.concerns.iter().map(|concern| format!("\n  ! {concern}"));
            format!(
                "{worker} at {}: {services}, {open}, drawgate-worker {}{fit}{}",
                pong.site,
                pong.program,
                concerns.collect::<String>()
            )
        }
        Reply::Refused { reason } => format!("{worker}: !! {reason}"),
        _ => format!("{worker}: !! it answered another question"),
    }
}

#[cfg(test)]
mod tests {
    use drawgate_schemas::Pong;

    use super::*;

    #[test]
    fn one_that_is_well_and_one_that_is_not() {
        let mut pong_of = Pong {
            site: "us-west".parse().unwrap(),
            program: "0.1.0".to_owned(),
            services: 3,
            open: 0,
            not_ready: None,
            concerns: Vec::new(),
        };
        let well = pong("bastion-a", &Reply::Pong(pong_of.clone()));
        assert_eq!(
            well,
            "bastion-a at us-west: 3 services, nothing open, drawgate-worker 0.1.0"
        );
        pong_of.open = 1;
        pong_of.not_ready = Some("disk full".to_owned());
        let ill = pong("bastion-a", &Reply::Pong(pong_of.clone()));
        assert!(
            ill.ends_with("1 release open, drawgate-worker 0.1.0; !! takes no release in: disk full"),
            "{ill}"
        );
        pong_of.concerns = vec!["no policy".to_owned()];
        let told = pong("bastion-a", &Reply::Pong(pong_of));
        assert!(told.ends_with("disk full\n  ! no policy"), "{told}");
    }
}
