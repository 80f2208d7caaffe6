//! Actions that choose by a hash or by chance: `multipath`, `bundle`, `bundle_load`, `sample`.

use std::fmt;

use super::super::{TextError, split_list};
use super::send::{PortName, port_number};
use super::subfield;
use super::words::{Words, number};
use crate::action::{
    Action, Bundle, BundleAlgorithm, HashFields, Multipath, MultipathAlgorithm, Sample, SampleDirection, port,
};

const HASHES: [(&str, HashFields); 7] = [
    ("eth_src", HashFields::EthSrc),
    ("symmetric_l4", HashFields::SymmetricL4),
    ("symmetric_l3l4", HashFields::SymmetricL3L4),
    ("symmetric_l3l4+udp", HashFields::SymmetricL3L4Udp),
    ("symmetric_l3", HashFields::SymmetricL3),
    ("nw_src", HashFields::IpSrc),
    ("nw_dst", HashFields::IpDst),
];

const LINK_ALGORITHMS: [(&str, MultipathAlgorithm); 4] = [
    ("modulo_n", MultipathAlgorithm::ModuloN),
    ("hash_threshold", MultipathAlgorithm::HashThreshold),
    ("hrw", MultipathAlgorithm::Hrw),
    ("iter_hash", MultipathAlgorithm::IterHash),
];

const PORT_ALGORITHMS: [(&str, BundleAlgorithm); 2] =
    [("active_backup", BundleAlgorithm::ActiveBackup), ("hrw", BundleAlgorithm::Hrw)];

pub(super) fn parse(name: &str, argument: &str) -> Option<Result<Action, TextError>> {
    Some(match name {
        "multipath" => parse_multipath(argument),
        "bundle" => parse_bundle(argument, false),
        "bundle_load" => parse_bundle(argument, true),
        "sample" => parse_sample(argument),
        _ => return None,
    })
}

/// `fields, basis, algorithm, n_links, argument, target`.
fn parse_multipath(argument: &str) -> Result<Action, TextError> {
    let [fields, basis, algorithm, links, extra, target] = split_list(argument)[..] else {
        return Err(TextError::Malformed(argument.to_owned()));
    };
    let links: u32 = number("n_links", links)?;
    let max_link = links.checked_sub(1).and_then(|link| u16::try_from(link).ok());
    Ok(Action::Multipath(Box::new(Multipath {
        fields: named(&HASHES, fields)?,
        basis: number("basis", basis)?,
        algorithm: named(&LINK_ALGORITHMS, algorithm)?,
        max_link: max_link.ok_or_else(|| TextError::Malformed(argument.to_owned()))?,
        argument: number("argument", extra)?,
        target: subfield::parse(target)?,
    })))
}

/// `fields, basis, algorithm, ofport, [target,] members:port, ...`.
fn parse_bundle(argument: &str, with_target: bool) -> Result<Action, TextError> {
    let malformed = || TextError::Malformed(argument.to_owned());
    let (head, members) =
        argument.split_once("members:").or_else(|| argument.split_once("slaves:")).ok_or_else(malformed)?;
    let head = split_list(head);
    let (fields, basis, algorithm, target) = match (head[..].as_ref(), with_target) {
        ([fields, basis, algorithm, "ofport"], false) => (fields, basis, algorithm, None),
        ([fields, basis, algorithm, "ofport", target], true) => (fields, basis, algorithm, Some(target)),
        _ => return Err(malformed()),
    };
    let members: Option<Vec<u32>> = split_list(members).into_iter().map(port_number).collect();
    Ok(Action::Bundle(Box::new(Bundle {
        fields: named(&HASHES, fields)?,
        basis: number("basis", basis)?,
        algorithm: named(&PORT_ALGORITHMS, algorithm)?,
        members: members.ok_or_else(malformed)?.into(),
        target: target.map(|target| subfield::parse(target)).transpose()?,
    })))
}

fn parse_sample(argument: &str) -> Result<Action, TextError> {
    let known = [
        "probability",
        "collector_set_id",
        "obs_domain_id",
        "obs_point_id",
        "sampling_port",
        "ingress",
        "egress",
    ];
    let words = Words::parse(argument, &known)?;
    let malformed = || TextError::Malformed(argument.to_owned());
    let probability = words.number("probability")?.filter(|probability| *probability > 0);
    let sampling_port = match words.value("sampling_port") {
        Some(text) => port_number(text).ok_or_else(malformed)?,
        None => port::NONE,
    };
    Ok(Action::Sample(Box::new(Sample {
        probability: probability.ok_or_else(malformed)?,
        collector_set: words.number("collector_set_id")?.unwrap_or(0),
        observation_domain: words.number("obs_domain_id")?.unwrap_or(0),
        observation_point: words.number("obs_point_id")?.unwrap_or(0),
        sampling_port,
        direction: match (words.has("ingress"), words.has("egress")) {
            (true, _) => SampleDirection::Ingress,
            (false, true) => SampleDirection::Egress,
            _ => SampleDirection::Default,
        },
    })))
}

fn named<T: Copy>(names: &[(&str, T)], name: &str) -> Result<T, TextError> {
    let found = names.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| TextError::Malformed(name.to_owned()))
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, known)| known == value).map_or("", |(name, _)| *name)
}

pub(super) fn emit(f: &mut fmt::Formatter<'_>, action: &Action) -> fmt::Result {
    match action {
        Action::Multipath(path) => emit_multipath(f, path),
        Action::Bundle(bundle) => emit_bundle(f, bundle),
        Action::Sample(sample) => emit_sample(f, sample),
        _ => Err(fmt::Error),
    }
}

fn emit_multipath(f: &mut fmt::Formatter<'_>, path: &Multipath) -> fmt::Result {
    let (fields, algorithm) = (name_of(&HASHES, &path.fields), name_of(&LINK_ALGORITHMS, &path.algorithm));
    let links = u32::from(path.max_link) + 1;
    write!(f, "multipath({fields},{},{algorithm},{links},{},{})", path.basis, path.argument, path.target)
}

fn emit_bundle(f: &mut fmt::Formatter<'_>, bundle: &Bundle) -> fmt::Result {
    let (fields, algorithm) =
        (name_of(&HASHES, &bundle.fields), name_of(&PORT_ALGORITHMS, &bundle.algorithm));
    let verb = if bundle.target.is_some() { "bundle_load" } else { "bundle" };
    write!(f, "{verb}({fields},{},{algorithm},ofport,", bundle.basis)?;
    if let Some(target) = bundle.target {
        write!(f, "{target},")?;
    }
    let members: Vec<_> = bundle.members.iter().map(|port| PortName(*port).to_string()).collect();
    write!(f, "members:{})", members.join(","))
}

fn emit_sample(f: &mut fmt::Formatter<'_>, sample: &Sample) -> fmt::Result {
    write!(
        f,
        "sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={}",
        sample.probability, sample.collector_set, sample.observation_domain, sample.observation_point
    )?;
    if sample.sampling_port != port::NONE {
        write!(f, ",sampling_port={}", PortName(sample.sampling_port))?;
    }
    f.write_str(match sample.direction {
        SampleDirection::Default => ")",
        SampleDirection::Ingress => ",ingress)",
        SampleDirection::Egress => ",egress)",
    })
}
