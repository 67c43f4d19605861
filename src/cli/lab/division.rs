//! `--shard I/N`: a lab over several processes, each of which measures its contenders and writes
//! them into a file of its own; who finds all of these files makes the record of them.

use bnn_cpu::lab::{Part, Parts, Record, listed};
use bnn_cpu::tape::Params;
use bnn_cpu::train::Provenance;
use bnn_cpu::{Error, seal};
use serde_json::{Value, json};

use super::super::output;
use super::super::shard::Shard;
use super::super::{Context, Outcome};
use super::Args;
use super::plan::Plan;
use super::record::write;
use super::table::print;

/// The part of a lab that this process measures.
pub struct Division<'a> {
    args: &'a Args,
    shard: Shard,
    settings: Value,
}

impl<'a> Division<'a> {
    /// What this process has of the plan, whose other contenders are left out of it; none where
    /// it has all of them. Parts of other labs in the folder are refused before anything is
    /// measured.
    pub fn of(
        args: &'a Args,
        plan: &mut Plan<'_>,
        (data_sha256, params): (&str, &Params),
        context: &Context,
    ) -> Outcome<Option<Self>> {
        let parts = Parts::read(&args.out)?;
        let Some(shard) = args.shard else {
            return match parts.any() {
                None => Ok(None),
                Some(file) => Err(Error::checkpoint(
                    file,
                    "is a part of a lab that was divided by --shard; remove the parts, or choose another --out",
                )
                .into()),
            };
        };
        let settings = settings(args, plan, (data_sha256, params), context)?;
        parts.check(shard.of, &settings)?;
        plan.contenders = shard.share(&plan.contenders).cloned().collect();
        Ok(Some(Self {
            args,
            shard,
            settings,
        }))
    }

    /// Whether this part is there already, as where a job was put into the queue once more.
    pub fn is_measured(&self) -> Outcome<bool> {
        Ok(Parts::read(&self.args.out)?.has(self.shard.part))
    }

    /// Writes what this process measured.
    pub fn write(&self, record: Record) -> Outcome {
        let part = Part {
            part: self.shard.part,
            of: self.shard.of,
            settings: self.settings.clone(),
            record,
        };
        part.write(&self.args.out)?;
        Ok(())
    }

    /// Makes the record where all parts are there, or says which are missing.
    pub fn end(&self, context: &Context) -> Outcome {
        // Each process looks after it has written, so that the last one to write finds all. Where
        // two are last, both write the same record.
        let (args, shard) = (self.args, self.shard);
        let parts = Parts::read(&args.out)?;
        parts.check(shard.of, &self.settings)?;
        let missing = parts.missing();
        if missing.is_empty() {
            return together(args, &parts, context);
        }
        if context.json {
            return output::json(&json!({
                "event": "lab_part",
                "part": shard.part,
                "of": shard.of,
                "missing": missing,
            }));
        }
        let file = args.out.join(Part::file(shard.part, shard.of));
        output::note(&format!(
            "written: {}; missing: {}; the record is made once all parts are there",
            file.display(),
            listed(&missing, shard.of)
        ));
        Ok(())
    }
}

/// Makes the record of all parts, and shows it.
pub fn together(args: &Args, parts: &Parts, context: &Context) -> Outcome {
    let record = parts.whole()?;
    write(args, &record)?;
    print(&record, args, context)
}

/// All that the numbers depend on: parts with the same can be put together.
fn settings(
    args: &Args,
    plan: &Plan<'_>,
    (data_sha256, params): (&str, &Params),
    context: &Context,
) -> Outcome<Value> {
    let lab = &plan.lab;
    let label = |contender: &bnn_cpu::lab::Contender| -> Result<String, Error> {
        Ok(contender.label(&lab.spec(&contender.estimator)?))
    };
    let contenders: Vec<String> = plan
        .contenders
        .iter()
        .map(label)
        .collect::<Result<_, _>>()?;
    let epochs: Vec<usize> = match args.is_along() {
        true => (0..=plan.config.epochs)
            .filter(|epoch| args.asks_for(*epoch))
            .collect(),
        false => Vec::new(),
    };
    let here = Provenance::here(context.engine.kernels.isa.name());
    Ok(output::value(&json!({
        "version": here.version,
        "commit": here.commit,
        "isa": here.isa,
        "data_sha256": data_sha256,
        "config": output::value(&plan.config),
        "weights_sha256": weights(params),
        "probability": lab.probability.name(),
        "layers": lab.layers,
        "images": lab.images.len(),
        "contenders": contenders,
        "reference": plan.long.as_ref().map(label).transpose()?,
        "own": args.own,
        "epochs": epochs,
        "draws": args.draws,
        "warm_up": args.warm_up,
        "reference_draws": args.reference_draws,
        "until": args.until,
        "most": args.most,
    })))
}

/// The digest of the weights and buffers that a lab begins with.
fn weights(params: &Params) -> String {
    let all = params.values().iter().chain(params.buffer_values());
    let bytes: Vec<u8> = all.flat_map(|x| x.to_le_bytes()).collect();
    seal::sha256(&bytes)
}
