//! What can go wrong with a [`SessionIndex`](super::SessionIndex). Every message names the field or the file.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::ids::{SessionId, TenantId};

/// A value that cannot be taken, and why. The reason states the limit, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldFault {
    /// The field or argument, e.g. `context_embedding`.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl FieldFault {
    /// A fault of `field`.
    pub fn new(field: &'static str, reason: impl ToString) -> FieldFault {
        FieldFault { field, reason: reason.to_string() }
    }
}

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// An argument or a field of the state is unusable; nothing changed.
    #[error(transparent)]
    Invalid(#[from] FieldFault),
    /// The session was never stored, or was deleted.
    #[error("session {session} of tenant {tenant} is not in the index")]
    UnknownSession {
        /// Its tenant.
        tenant: TenantId,
        /// The session.
        session: SessionId,
    },
    /// Another process, or another index in this one, has the folder open.
    #[error("{}: in use by another index; a folder can be open once", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The file does not begin as a session index of this version does.
    #[error("{}: not a session index of this version", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The folder holds embeddings of another dimension.
    #[error("{}: holds embeddings of {stored} components, asked for {asked}", path.display())]
    Dimension {
        /// The file.
        path: PathBuf,
        /// Dimension in the file.
        stored: usize,
        /// Dimension asked for.
        asked: usize,
    },
    /// A record that is not the last one is damaged. The file is left as it is; everything before `offset` is
    /// sound, so the file cut there can be opened, without what came later.
    #[error("{}: damaged at byte {offset}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// First byte of the damaged record.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system refused. After a `store` or `delete` the change is held in memory and written with the
    /// next [`flush`](super::SessionIndex::flush) that succeeds.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl IndexError {
    /// Adds the path to an I/O error.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> IndexError {
        let path = path.to_path_buf();
        move |source| IndexError::Io { path, source }
    }
}
