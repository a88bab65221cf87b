//! The closed word lists of events, and the one rule that comes with a word.

use super::ids::UserId;

words!(
    /// Who may profit from a session, narrowest first.
    TransferScope { None = "none", User = "user", Tenant = "tenant" }
);
words!(
    /// Why a session paused.
    PauseReason {
        ToolCall = "tool_call", AwaitingUser = "awaiting_user", AwaitingApproval = "awaiting_approval",
        Throttled = "throttled", Other = "other",
    }
);
words!(
    /// Why a session was interrupted.
    InterruptReason {
        ClientDisconnect = "client_disconnect", WorkerLost = "worker_lost", OutOfMemory = "out_of_memory",
        Preempted = "preempted", Timeout = "timeout", Other = "other",
    }
);
words!(
    /// Why a session ended.
    EndReason { Completed = "completed", Cancelled = "cancelled", Terminated = "terminated", Expired = "expired" }
);
words!(
    /// How a resume went.
    ResumeOutcome { Restored = "restored", Partial = "partial", Failed = "failed", Ignored = "ignored" }
);
words!(
    /// Status a snapshot may assert.
    SnapshotStatus { Active = "active", Paused = "paused", Interrupted = "interrupted", Ended = "ended" }
);
words!(
    /// Facets a snapshot may clear: those where the newest event wins.
    ClearableFacet {
        Adapter = "adapter", Cache = "cache", ContextRef = "context_ref",
        ContinuesSessionId = "continues_session_id", IdleTimeoutMs = "idle_timeout_ms", Metadata = "metadata",
        ParentSessionId = "parent_session_id", TransferScope = "transfer_scope",
    }
);

impl TransferScope {
    /// Whether a session of this scope and of `owner` may serve a session of the tenant whose user is `asking`.
    pub fn allows(self, owner: Option<&UserId>, asking: Option<&UserId>) -> bool {
        match self {
            TransferScope::None => false,
            TransferScope::User => owner.is_some() && owner == asking,
            TransferScope::Tenant => true,
        }
    }
}
