//! The training loop does what its parts do by hand: split, order, schedules,
//! noise and optimiser steps, to the bit.

use std::sync::atomic::AtomicBool;

use crate::common::nets::{SGD, Trainee, tiny_net};
use bnn_cpu::data::{digits, epoch_order, validation_split};
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::weights::{self, Data};
use bnn_cpu::train::{
    Config, DatasetRecord, Evaluator, LrSchedule, Reading, RunFolder, SlopeKind, SlopeSchedule,
    train,
};

#[test]
fn a_run_equals_its_steps_taken_by_hand() {
    let data = digits::generate(6, 100, 25);
    let mut config = Config::reference(tiny_net(Firing::Stochastic), DatasetRecord::of(&data));
    (config.epochs, config.batch, config.seed, config.lr) = (2, 32, 9, 0.05);
    config.lr_schedule = LrSchedule::ONE_CYCLE;
    config.slope = SlopeSchedule {
        rate: 0.5,
        ..SlopeSchedule::new(SlopeKind::Linear)
    };

    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config.clone(), false).unwrap();
    let stop = AtomicBool::new(false);
    let test = train(
        &mut run,
        &data,
        crate::common::fastest(),
        &stop,
        &mut |_| {},
    )
    .unwrap();
    let records = run.metrics().unwrap();

    // 90 images in batches of 32: three steps an epoch, six in all.
    let (training, validation) = validation_split(100, 0.1, 9).unwrap();
    let mut hand = Trainee::new(&config.model, crate::common::fastest(), 32, SGD, 0.0, 9);
    let mut evaluator = Evaluator::default();
    let mut best = f64::INFINITY;
    for epoch in 1..=2u64 {
        let slope = [1.0, 1.5][epoch as usize - 1];
        hand.net.pass_mut().slope = slope;
        let mut sum = 0.0;
        for batch in epoch_order(&training, 9, epoch).chunks(32) {
            hand.lr = config.lr_schedule.at(0.05, hand.steps, 3, 6);
            sum += hand.step(&data.train, batch) * batch.len() as f64;
        }
        let record = &records[epoch as usize - 1];
        let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-12, "{got}, {want}");
        close(record.train_loss, sum / 90.0);
        assert_eq!((record.slope, record.lr), (f64::from(slope), hand.lr));
        let reading = Reading::Samples(1);
        let (net, split) = (&mut hand.net, &data.train);
        let validated = evaluator.evaluate(net, split, &validation, reading, (9, epoch));
        assert_eq!(record.val_loss, Some(validated.loss));
        assert_eq!(record.val_accuracy, Some(validated.accuracy));
        if validated.loss < best {
            best = validated.loss;
            let all: Vec<u32> = (0..25).collect();
            let tested = evaluator.evaluate(&mut hand.net, &data.test, &all, reading, (9, 3));
            if test.epoch == epoch as usize {
                assert_eq!((test.loss, test.accuracy), (tested.loss, tested.accuracy));
            }
        }
    }
    let best_epoch = records
        .iter()
        .min_by(|a, b| a.val_loss.partial_cmp(&b.val_loss).unwrap())
        .unwrap();
    assert_eq!(
        test.epoch, best_epoch.epoch,
        "the best validation loss is tested"
    );

    // The weights of the last step.
    let file = run.file("checkpoint.safetensors");
    let (tensors, _) = weights::read_any(&file).unwrap();
    for want in weights::export(hand.net.params()) {
        let got = tensors.iter().find(|t| t.name == want.name).unwrap();
        match (&got.data, &want.data) {
            (Data::F32(got), Data::F32(want)) => {
                assert_eq!(crate::common::bits(got), crate::common::bits(want))
            }
            (got, want) => assert_eq!(got, want),
        }
    }
}
