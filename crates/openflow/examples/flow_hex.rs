//! Emits a flow mod, in hexadecimal, for each line of standard input: a command, a blank and a flow.
//!
//! `echo 'add table=0,tcp actions=drop' | cargo run --example flow_hex | xargs ovs-ofctl ofp-print`

use std::io::BufRead;

use tulle_flow::Flow;
use tulle_openflow::{FlowMod, FlowModCommand, Message, Version};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (command, flow) = line.split_once(' ').ok_or("expected a command and a flow")?;
        let flow: Flow = flow.parse()?;
        let mut bytes = Vec::new();
        Message::FlowMod(FlowMod::new(parse_command(command)?, flow)).emit(Version::V13, 1, &mut bytes)?;
        println!("{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    Ok(())
}

fn parse_command(text: &str) -> Result<FlowModCommand, String> {
    Ok(match text {
        "add" => FlowModCommand::Add,
        "modify" => FlowModCommand::Modify,
        "modify_strict" => FlowModCommand::ModifyStrict,
        "delete" => FlowModCommand::Delete,
        "delete_strict" => FlowModCommand::DeleteStrict,
        _ => {
            return Err(format!(
                "expected add, modify, modify_strict, delete or delete_strict, got {text:?}"
            ));
        }
    })
}
