//! `topics create`: creates the topics that are missing and says where existing ones differ. Alters nothing.

use std::time::Duration;

use rekindle::kafka::admin::Admin;
use rekindle::kafka::settings::{OWNERS_PARTITIONS, TopicSettings};

use super::Exit;
use super::args::ClusterArgs;

const METADATA_TIMEOUT: Duration = Duration::from_secs(15);

/// Create the topics that are missing
///
/// The input gets LogAppendTime, the state topics compaction, all of them the same number of partitions; but for the
/// topic of owners, which has one.
/// Existing topics are never altered: where one differs from the configuration, the difference is printed and
/// the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rekindle topics create -c rekindle.toml --dry-run
  rekindle topics create --brokers localhost:9092 --set topics.partitions=32")]
pub struct Args {
    #[command(flatten)]
    config: ClusterArgs,
    /// Only say which topics exist and which would be created
    #[arg(long)]
    dry_run: bool,
}

/// Creates them.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&[])?;
    let (topics, admin) = (&config.runtime.topics, Admin::new(&config.runtime.kafka)?);
    if args.dry_run {
        return dry_run(&admin, topics);
    }
    let mut exit = Exit::Ok;
    for report in admin.create_topics(topics)? {
        let state = match (report.created, report.differences.is_empty()) {
            (true, _) => "created",
            (false, true) => "exists",
            (false, false) => "exists and differs",
        };
        println!("{:<32} {state}", report.topic);
        for difference in &report.differences {
            exit = Exit::Failed;
            println!("    {} is {}, wanted {}", difference.name, difference.found, difference.wanted);
        }
    }
    Ok(exit)
}

fn dry_run(admin: &Admin, topics: &TopicSettings) -> anyhow::Result<Exit> {
    let mut wanted = topics.names().map(|name| (name, topics.partitions)).to_vec();
    wanted.push((&topics.owners, OWNERS_PARTITIONS));
    let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
    let counts = admin.partition_counts(&names, METADATA_TIMEOUT)?;
    let mut exit = Exit::Ok;
    for (name, wanted) in wanted {
        match counts[name] {
            0 => println!("{name:<32} would be created with partitions: {wanted}"),
            count if count == wanted => println!("{name:<32} exists"),
            count => {
                exit = Exit::Failed;
                println!("{name:<32} exists with {count} partitions, wanted {wanted}");
            }
        }
    }
    Ok(exit)
}
