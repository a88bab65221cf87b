//! `verify --erased`: the arguments of a search for an erased subject, and what it found. The search is in the library.

use std::cell::RefCell;
use std::io::Write;

use chrono::{DateTime, SecondsFormat};
use rekindle::config::Config;
use rekindle::http::erasure_id::{Written, scope};
use rekindle::model::event::ErasureScope;
use rekindle::model::ids::TenantId;
use rekindle::verify::erased::{Erased, ErasedReport, Place, TopicReport, Verdict, search};

use super::progress::OffsetProgress;
use super::{Exit, UsageError};

/// What the two flags name.
pub fn erased(subject: &str, tenant: &str) -> anyhow::Result<Erased> {
    let tenant = TenantId::new(tenant).map_err(|fault| UsageError(format!("--tenant {tenant}: {fault}")))?;
    if let Some(scope) = named(subject)? {
        return Ok(Erased { tenant, scope, written: None });
    }
    let Some(Written { scope, occurred_at, offsets }) = Written::of_id(&tenant, subject) else {
        let expected = "expected user:ID, session:ID, tenant, or the erasure_id that an erasure of the tenant was \
                        answered with";
        return Err(UsageError(format!("--erased {subject}: {expected}")).into());
    };
    Ok(Erased { tenant, scope, written: Some((occurred_at, offsets)) })
}

fn named(subject: &str) -> Result<Option<ErasureScope>, UsageError> {
    let (word, id) = subject.split_once(':').map_or((subject, None), |(word, id)| (word, Some(id)));
    scope(word, id).map_err(|fault| UsageError(format!("--erased {subject}: {fault}")))
}

/// Searches and prints.
pub fn run(config: &Config, erased: Erased, json: bool) -> anyhow::Result<Exit> {
    let bar = RefCell::new(OffsetProgress::new());
    let report = search(&config.runtime, erased, &|topic, done, total| bar.borrow_mut().show(topic, done, total));
    bar.borrow().finish();
    let report = match report {
        Ok(report) => report,
        // Not the code of what was found: nothing is known.
        Err(fault) => {
            eprintln!("rekindle: {fault}");
            return Ok(Exit::Usage);
        }
    };
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&mut out, &report)?;
    }
    Ok(if report.outcome == Verdict::Gone { Exit::Ok } else { Exit::Failed })
}

fn print(out: &mut impl Write, report: &ErasedReport) -> std::io::Result<()> {
    let width = report.topics.iter().map(|topic| topic.topic.len()).max().unwrap_or(0).max("topic".len());
    writeln!(
        out,
        "{:width$}  {:>9}  {:>7}  {:>10}  {:>8}  verdict",
        "topic", "records", "found", "tombstones", "erasures"
    )?;
    for t in &report.topics {
        let (records, found, tombstones, erasures) = (t.records, t.found, t.tombstones, t.erasures);
        writeln!(out, "{:width$}  {records:>9}  {found:>7}  {tombstones:>10}  {erasures:>8}  {}", t.topic, verdict(t))?;
        for (word, place) in [("first", t.first), ("last", t.last)] {
            if let Some(Place { partition, offset, timestamp }) = place {
                writeln!(out, "  {word}: partition {partition}, offset {offset}, written {}", instant(timestamp))?;
            }
        }
    }
    match report.occurred_at {
        Some(at) => writeln!(out, "erased {}, read {}", instant(at), instant(report.read_at))?,
        None => writeln!(out, "no erasure of the subject is known: everything of it counts")?,
    }
    let (tombstones, erasures) =
        report.topics.iter().fold((0, 0), |(t, e), topic| (t + topic.tombstones, e + topic.erasures));
    if tombstones + erasures > 0 {
        writeln!(
            out,
            "{tombstones} tombstones name sessions in their keys until delete.retention.ms has passed; {erasures} \
                       erasures name the subject until retention takes them"
        )?;
    }
    writeln!(
        out,
        "{}",
        match report.outcome {
            Verdict::Gone => "nothing of the subject is readable",
            Verdict::Expected => "copies are readable, as the topics' settings let them be",
            Verdict::Overdue => "COPIES ARE READABLE that ought to be gone",
            Verdict::Kept => "COPIES ARE READABLE, and some topic never lets them go",
        }
    )
}

fn verdict(topic: &TopicReport) -> String {
    let by = || topic.gone_by.map(instant).unwrap_or_default();
    match topic.verdict {
        Verdict::Gone => "gone".to_owned(),
        Verdict::Expected => format!("expected until {}", by()),
        Verdict::Overdue => format!("OVERDUE since {}", by()),
        Verdict::Kept => format!("KEPT: {}", topic.reason.as_deref().unwrap_or_default()),
    }
}

fn instant(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map_or(ms.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}
