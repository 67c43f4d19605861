//! The examples that build on the library run, and are as short as they are said to be.

#[path = "../examples/custom_estimator.rs"]
mod custom_estimator;
#[path = "../examples/custom_layer.rs"]
mod custom_layer;
#[path = "../examples/custom_loss.rs"]
mod custom_loss;
#[path = "../examples/custom_network.rs"]
mod custom_network;

#[test]
fn a_network_of_one_s_own() {
    custom_network::main().unwrap();
}

#[test]
fn a_loss_of_one_s_own() {
    custom_loss::main().unwrap();
}

#[test]
fn an_estimator_of_one_s_own() {
    custom_estimator::main().unwrap();
}

#[test]
fn a_layer_of_one_s_own() {
    custom_layer::main().unwrap();
}
