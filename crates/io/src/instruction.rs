//! The instructions that small programs for the kernel are made of.
//!
//! Source: linux/bpf.h, Documentation/bpf/standardization/instruction-set.rst.

/// `bpf_insn`: code, both registers, where to jump, a number.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instruction {
    code: u8,
    registers: u8,
    jump: i16,
    number: i32,
}

/// What a load from the frame takes.
#[derive(Clone, Copy)]
pub(crate) enum Width {
    Word = 0x00,
    Half = 0x08,
    Byte = 0x10,
}

fn instruction(code: u8, to: u8, from: u8, jump: i16, number: i32) -> Instruction {
    // The lower half of the byte is the lower field on both byte orders that the kernel has, but in its place.
    let registers = if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
    Instruction { code, registers, jump, number }
}

pub(crate) fn put(to: u8, number: i32) -> Instruction {
    instruction(0xb7, to, 0, 0, number)
}

/// A function of the kernel, by its number; the result is in register 0.
pub(crate) fn call_kernel(function: i32) -> Instruction {
    instruction(0x85, 0, 0, 0, function)
}

pub(crate) fn leave() -> Instruction {
    instruction(0x95, 0, 0, 0, 0)
}

/// Into register 0, in host byte order; a frame that is too short ends the program with 0.
pub(crate) fn load(width: Width, at: i32) -> Instruction {
    instruction(0x20 | width as u8, 0, 0, 0, at)
}

/// From a place behind the one that a register has; else the same.
pub(crate) fn load_behind(width: Width, register: u8, at: i32) -> Instruction {
    instruction(0x40 | width as u8, 0, register, 0, at)
}

pub(crate) fn copy(to: u8, from: u8) -> Instruction {
    instruction(0xbf, to, from, 0, 0)
}

pub(crate) fn add(to: u8, number: i32) -> Instruction {
    instruction(0x07, to, 0, 0, number)
}

pub(crate) fn add_register(to: u8, from: u8) -> Instruction {
    instruction(0x0f, to, from, 0, 0)
}

pub(crate) fn negate(register: u8) -> Instruction {
    instruction(0x87, register, 0, 0, 0)
}

pub(crate) fn or(to: u8, number: i32) -> Instruction {
    instruction(0x47, to, 0, 0, number)
}

pub(crate) fn or_register(to: u8, from: u8) -> Instruction {
    instruction(0x4f, to, from, 0, 0)
}

pub(crate) fn mask(to: u8, number: i32) -> Instruction {
    instruction(0x57, to, 0, 0, number)
}

pub(crate) fn exclusive_or(to: u8, from: u8) -> Instruction {
    instruction(0xaf, to, from, 0, 0)
}

pub(crate) fn shift_left(to: u8, bits: i32) -> Instruction {
    instruction(0x67, to, 0, 0, bits)
}

pub(crate) fn shift_right(to: u8, bits: i32) -> Instruction {
    instruction(0x77, to, 0, 0, bits)
}

/// Keeps 32 bits.
pub(crate) fn multiply(to: u8, number: i32) -> Instruction {
    instruction(0x24, to, 0, 0, number)
}

pub(crate) fn multiply_long(to: u8, number: i32) -> Instruction {
    instruction(0x27, to, 0, 0, number)
}

pub(crate) fn jump(over: i16) -> Instruction {
    instruction(0x05, 0, 0, over, 0)
}

pub(crate) fn jump_if(register: u8, number: i32, over: i16) -> Instruction {
    instruction(0x15, register, 0, over, number)
}

pub(crate) fn jump_unless(register: u8, number: i32, over: i16) -> Instruction {
    instruction(0x55, register, 0, over, number)
}
