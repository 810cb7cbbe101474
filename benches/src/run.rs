//! The samples of all servers and rounds.

use serde::Serialize;

use crate::{Better, Measure, Spread, Workload, paired_ratios};

/// One figure of one workload, of all servers.
#[derive(Clone, Debug, Serialize)]
pub struct Metric {
    /// The workload.
    pub workload: &'static str,
    /// What the workload does.
    pub about: &'static str,
    /// What the figure is.
    pub what: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// Samples by server, then by round; `None` where it failed.
    pub samples: Vec<Vec<Option<f64>>>,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The servers by the names they have in tables; the first is ours.
    pub servers: Vec<String>,
    /// Which of them is no rival but the ceiling.
    pub bare: Option<usize>,
    /// The figures, in the order of the table.
    pub metrics: Vec<Metric>,
    /// What failed, for the foot of the table.
    pub failures: Vec<String>,
    /// What was not tried, since the server has no such thing.
    pub left_out: Vec<String>,
}

impl Run {
    /// Nothing yet, of these servers.
    pub fn new(servers: Vec<String>) -> Self {
        Self {
            servers,
            bare: None,
            metrics: Vec::new(),
            failures: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Notes what a workload gave on one server in one round.
    pub fn add(&mut self, workload: &Workload, server: usize, round: usize, measures: &[Measure]) {
        for measure in measures {
            let samples = &mut self.metric(workload, measure).samples[server];
            if samples.len() <= round {
                samples.resize(round + 1, None);
            }
            samples[round] = Some(measure.value);
            if let Some(note) = &measure.note {
                let round = round + 1;
                self.fail(workload, server, &format!("round {round}: {note}"));
            }
        }
    }

    /// Notes that a workload failed on a server, once for all rounds.
    pub fn fail(&mut self, workload: &Workload, server: usize, reason: &str) {
        let failure = format!("{} on {}: {reason}", workload.name, self.servers[server]);
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// Notes that a workload was not tried on a server, once for all rounds.
    pub fn leave_out(&mut self, workload: &Workload, server: usize, reason: &str) {
        let note = format!("{} on {}: {reason}", workload.name, self.servers[server]);
        if !self.left_out.contains(&note) {
            self.left_out.push(note);
        }
    }

    fn metric(&mut self, workload: &Workload, measure: &Measure) -> &mut Metric {
        let known = self
            .metrics
            .iter()
            .position(|metric| metric.workload == workload.name && metric.what == measure.what);
        let index = known.unwrap_or_else(|| {
            self.metrics.push(Metric {
                workload: workload.name,
                about: workload.about,
                what: measure.what,
                unit: measure.unit,
                better: measure.better,
                samples: vec![Vec::new(); self.servers.len()],
            });
            self.metrics.len() - 1
        });
        &mut self.metrics[index]
    }
}

impl Metric {
    /// The spread of a server's samples; `None` if it has none.
    pub fn spread(&self, server: usize) -> Option<Spread> {
        let samples: Vec<f64> = self.samples[server].iter().flatten().copied().collect();
        Spread::of(&samples)
    }

    /// The server other than the first, and other than the `bare` one, with the best median.
    pub fn best_rival(&self, bare: Option<usize>) -> Option<usize> {
        let median = |server: usize| self.spread(server).map(|spread| spread.median);
        (1..self.samples.len())
            .filter(|&server| Some(server) != bare && median(server).is_some())
            .max_by(|&one, &other| {
                let order = median(one).partial_cmp(&median(other));
                let order = order.unwrap_or(std::cmp::Ordering::Equal);
                match self.better {
                    Better::Higher => order,
                    Better::Lower => order.reverse(),
                }
            })
    }

    /// How many times better the first server is than `rival`, round by round.
    pub fn lead(&self, rival: usize) -> Option<Spread> {
        let (ours, theirs) = (&self.samples[0], &self.samples[rival]);
        Spread::of(&match self.better {
            Better::Higher => paired_ratios(ours, theirs),
            Better::Lower => paired_ratios(theirs, ours),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WORKLOADS;

    fn metric(better: Better, samples: &[&[f64]]) -> Metric {
        let mut run = Run::new(vec![String::new(); samples.len()]);
        for (server, rounds) in samples.iter().enumerate() {
            for (round, &value) in rounds.iter().enumerate() {
                let measure = Measure {
                    what: "speed",
                    unit: "MB/s",
                    better,
                    value,
                    note: None,
                };
                run.add(&WORKLOADS[0], server, round, &[measure]);
            }
        }
        run.metrics.remove(0)
    }

    #[test]
    fn the_best_rival_depends_on_which_way_is_better() {
        let samples: &[&[f64]] = &[&[9.0], &[1.0, 1.0], &[], &[2.0, 3.0]];
        assert_eq!(metric(Better::Higher, samples).best_rival(None), Some(3));
        assert_eq!(metric(Better::Lower, samples).best_rival(None), Some(1));
        assert_eq!(metric(Better::Lower, &samples[..1]).best_rival(None), None);
    }

    #[test]
    fn the_ceiling_is_no_rival() {
        let samples: &[&[f64]] = &[&[9.0], &[1.0], &[20.0]];
        assert_eq!(metric(Better::Higher, samples).best_rival(Some(2)), Some(1));
        assert_eq!(metric(Better::Lower, samples).best_rival(Some(1)), Some(2));
    }

    #[test]
    fn a_lead_above_one_is_better_either_way() {
        let samples: &[&[f64]] = &[&[4.0, 6.0, 8.0], &[2.0, 2.0, 2.0]];
        let median = |better| metric(better, samples).lead(1).map(|lead| lead.median);
        assert_eq!(median(Better::Higher), Some(3.0));
        assert_eq!(median(Better::Lower), Some(1.0 / 3.0));
    }
}
