//! The examples do what they say, without any feature. They are run within this program:
//! each is a module, and its `main` a test.

macro_rules! runs {
    ($($name:ident: $file:literal),*) => {$(
        #[path = $file]
        mod $name;

        #[test]
        fn $name() {
            let lines = include_str!($file).lines().count();
            assert!(lines < 50, "{lines} lines are no glance");
            if let Err(error) = $name::main() {
                panic!("{error}");
            }
        }
    )*};
}

runs! {
    custom_estimator: "../examples/custom_estimator.rs",
    custom_layer: "../examples/custom_layer.rs",
    custom_loss: "../examples/custom_loss.rs",
    custom_network: "../examples/custom_network.rs",
    own_data: "../examples/own_data.rs",
    packed_inference: "../examples/packed_inference.rs",
    train_in_memory: "../examples/train_in_memory.rs"
}
