//! A switch between two devices, without configuration or Python, for measurements only.
//!
//! pair DEVICE DEVICE [--no-ring] [--no-direct]    forwards between them until it is ended

use std::error::Error;

use tulle_datapath::Command;
use tulle_flow::Flow;
use tulle_switch::{DeviceOptions, Switch};

const FLOWS: [&str; 2] = ["priority=1,in_port=1,actions=output:2", "priority=1,in_port=2,actions=output:1"];

fn main() -> Result<(), Box<dyn Error>> {
    let (choices, devices): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let [first, second] = devices.as_slice() else { return Err("usage: pair DEVICE DEVICE".into()) };
    let chosen = |choice: &str| choices.iter().any(|word| word == choice);
    let options = DeviceOptions { ring: !chosen("--no-ring"), direct: !chosen("--no-direct") };
    let switch = Switch::start("pair", 1, 1)?;
    switch.add_device_with(1, first, options)?;
    switch.add_device_with(2, second, options)?;
    let flows: Result<Vec<Flow>, _> = FLOWS.into_iter().map(str::parse).collect();
    switch.change_flows(Command::Add, flows?)?;
    eprintln!("process {}, {} flows, {options:?}", std::process::id(), switch.flows()?.len());
    loop {
        std::thread::park();
    }
}
