//! The closed word lists of suggestions.

words!(
    /// What to do to recover. `recompute` is what every engine does by itself: an answer, never published.
    RecoveryPlan {
        ResumeInPlace = "resume_in_place", RestoreKv = "restore_kv", Prefetch = "prefetch", Retain = "retain",
        AdapterOnly = "adapter_only", ContextOnly = "context_only", Recompute = "recompute",
    }
);
words!(
    /// What to reuse.
    TransferPlan { UseAdapter = "use_adapter", ReferContext = "refer_context", ReusePrefix = "reuse_prefix" }
);
words!(
    /// Who should act.
    Consumer { Router = "router", Engine = "engine", Agent = "agent" }
);
words!(
    /// On what ground a source was chosen.
    MatchBasis {
        OwnKv = "own_kv", Prefix = "prefix", OwnSession = "own_session", Similarity = "similarity",
        Recency = "recency",
    }
);
words!(
    /// Why a candidate lost.
    CandidateFault {
        WorkerEpochDead = "worker_epoch_dead", Evicted = "evicted", AdapterMismatch = "adapter_mismatch",
        NamespaceMismatch = "namespace_mismatch", TakenUp = "taken_up", BelowFloor = "below_floor",
        Expired = "expired",
    }
);
words!(
    /// Why an open suggestion no longer holds.
    RevokeReason {
        Evicted = "evicted", WorkerLost = "worker_lost", Erased = "erased", ScopeTightened = "scope_tightened",
        Resumed = "resumed", Ended = "ended", Superseded = "superseded",
    }
);
words!(
    /// How a suggestion's life ended.
    Outcome {
        Restored = "restored", Partial = "partial", Failed = "failed", Ignored = "ignored", Expired = "expired",
        Revoked = "revoked", Superseded = "superseded",
    }
);
words!(
    /// Where an outcome comes from.
    OutcomeBasis { Reported = "reported", Inferred = "inferred" }
);
words!(
    /// Where cost rates come from.
    EstimateBasis { Configured = "configured", Observed = "observed" }
);
words!(
    /// How a suggestion reaches its reader; `withheld`: not at all, and no output says so.
    Delivery { Stream = "stream", Query = "query", Withheld = "withheld" }
);
