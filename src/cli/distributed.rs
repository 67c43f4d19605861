//! Work that several processes share out: `--distributed`.

use bnn_cpu::ranks::{Ranks, Share};

use super::{Failure, Outcome};

/// How processes reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Distributed {
    /// By MPI: the program is started by mpirun, or by a scheduler's srun
    Mpi,
}

/// The flags of a command that several processes share out.
#[derive(Clone, Debug, clap::Args)]
pub struct DistributedArgs {
    /// Share the work out among the processes that mpirun or srun has started: of a training each
    /// step, of a table its cells; the bits are those of one process
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        hide_possible_values = true,
        help_heading = "Many machines"
    )]
    distributed: Option<Distributed>,
    /// Seconds after which a process that waits for another one gives up
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 300,
        help_heading = "Many machines"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
}

impl DistributedArgs {
    /// Does `work` with the other processes, if the flags ask for them. Those beside rank 0 write
    /// nothing, but for what only they know went wrong.
    pub fn with(&self, work: impl FnOnce(&Ranks) -> Outcome) -> Outcome {
        match self.distributed {
            None => work(&Ranks::default()),
            Some(Distributed::Mpi) => system::with(self.patience, work),
        }
    }

    /// Does this process's share of work whose parts need nothing of each other.
    pub fn shared(&self, work: impl FnOnce(Share) -> Outcome) -> Outcome {
        match self.distributed {
            None => work(Share::WHOLE),
            Some(Distributed::Mpi) => system::shared(work),
        }
    }
}

#[cfg(not(feature = "mpi"))]
mod system {
    use super::{Failure, Outcome, Ranks, Share};

    pub fn with(_patience: u64, _work: impl FnOnce(&Ranks) -> Outcome) -> Outcome {
        Err(absent())
    }

    pub fn shared(_work: impl FnOnce(Share) -> Outcome) -> Outcome {
        Err(absent())
    }

    fn absent() -> Failure {
        Failure::usage(
            "--distributed mpi: this program was built without MPI; install Open MPI or MPICH, and build it with `cargo install --path . --features mpi`",
        )
    }
}

#[cfg(feature = "mpi")]
mod system {
    use std::time::Duration;

    use bnn_cpu::Error;
    use bnn_cpu::ranks::World;

    use super::super::output;
    use super::{Failure, Outcome, Ranks, Share};

    /// How long a process waits for rank 0 to say what went wrong on all of them.
    const FIRST_SAYS: Duration = Duration::from_secs(1);

    pub fn with(patience: u64, work: impl FnOnce(&Ranks) -> Outcome) -> Outcome {
        let world = joined()?;
        let transport = world.transport(Duration::from_secs(patience), lost);
        let ranks = Ranks::over(transport, true);
        let rank = ranks.rank();
        output::set_silent(rank > 0);
        let end = match ranks.check() {
            Ok(()) => work(&ranks),
            Err(lost) => Err(lost.into()),
        };
        // A stop is agreed on by all, and what rank 0 saves must be whole before MPI may end it.
        if matches!(end, Ok(()) | Err(Failure::Error(Error::Interrupted(_)))) {
            let ended = ranks.messages(&[]);
            drop(ranks);
            drop(world);
            ended?;
            return end;
        }
        // The end of a process that has not left MPI ends the others.
        std::mem::forget((ranks, world));
        if rank > 0 {
            std::thread::sleep(FIRST_SAYS);
            output::set_silent(false);
        }
        end
    }

    pub fn shared(work: impl FnOnce(Share) -> Outcome) -> Outcome {
        let world = joined()?;
        let share = world.share();
        output::set_silent(share.rank() > 0);
        let end = work(share);
        // MPI waits here for those that still work, whatever became of this one's part.
        drop(world);
        output::set_silent(share.rank() > 0 && end.is_ok());
        end
    }

    fn joined() -> Outcome<World> {
        if output::has_host() {
            return Err(Failure::usage(
                "--distributed has no effect within another program; start the program bnn-cpu with mpirun",
            ));
        }
        Ok(World::join()?)
    }

    /// Ends the process where another one is gone.
    fn lost(line: &str) -> ! {
        output::set_silent(false);
        output::note(&output::error(line));
        std::process::exit(1)
    }
}
