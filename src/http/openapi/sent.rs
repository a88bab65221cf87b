//! What is sent: ids in paths, parameters, bodies. Only described here; handlers read them field by field, to say which is
//! wrong. Others than these are refused.

#![expect(dead_code, reason = "these types are read by the description alone")]

use utoipa::{IntoParams, ToSchema};

use super::parts::*;

/// A path of a tenant.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OfTenant {
    tenant: Id,
}

/// A path of a session.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OfSession {
    tenant: Id,
    session: Id,
}

/// A path of a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OfUser {
    tenant: Id,
    user: Id,
}

/// A path of a suggestion.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OfSuggestion {
    tenant: Id,
    suggestion: Id,
}

/// A path of an erasure.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OfErasure {
    tenant: Id,
    /// The `erasure_id` of the answer that it was written.
    erasure: String,
}

/// What the answer has to cover.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Fresh {
    at_least: Option<AtLeastText>,
    wait_ms: Option<WaitMs>,
}

/// What to add to a session.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct WithVector {
    /// `vector`: its embedding too.
    #[param(inline)]
    include: Option<VectorWord>,
}

/// What to add to an erasure.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct WithTopics {
    /// `topics`: until when topics hold what was erased.
    #[param(inline)]
    include: Option<TopicsWord>,
}

/// The word.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::http) enum VectorWord {
    Vector,
}

/// The word.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::http) enum TopicsWord {
    Topics,
}

/// Which sessions of a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct HistoryParameters {
    limit: Option<PageLimit>,
    /// Words with commas between; all if left out.
    status: Option<StatusList>,
    /// `last_active` at or after; ms since the epoch, or RFC 3339.
    active_since: Option<Instant>,
    /// `last_active` before.
    active_before: Option<Instant>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which part of a chain.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct BlocksParameters {
    limit: Option<BlocksLimit>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Where to begin in the feed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FeedParameters {
    /// The number of the last suggestion that is known.
    #[param(minimum = 0, default = 0)]
    after: Option<i64>,
}

/// What to compare with, exactly one of `vector` and `session_id`, and among which sessions.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SearchBody {
    vector: Option<Vector>,
    /// That session's own embedding.
    session_id: Option<Id>,
    /// May be left out where one is declared.
    space: Option<String>,
    k: Option<NearestLimit>,
    filters: Option<Filters>,
    /// Only with a vector.
    except_session_id: Option<Id>,
    at_least: Option<AtLeast>,
    wait_ms: Option<WaitMs>,
}

/// What hits have to be.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Filters {
    user_id: Option<Id>,
    status: Option<Statuses>,
    /// The id of the active adapter.
    #[schema(min_length = 1, max_length = 1024)]
    adapter: Option<String>,
    /// `last_active` at or after.
    active_since: Option<Instant>,
    /// The least `transfer_scope`.
    scope: Option<Scope>,
}

/// A chain from block 0 on, under an identity.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PrefixMatchBody {
    cache: CacheIdentityInput,
    prefix: PrefixInput,
    /// Who is to profit; left out, anybody of the tenant.
    user_id: Option<Id>,
    except_session_id: Option<Id>,
    limit: Option<HoldersLimit>,
    at_least: Option<AtLeast>,
    wait_ms: Option<WaitMs>,
}

/// Whom to help: `session_id`, `user_id`, or `cache` and `prefix` together.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RecoveryBody {
    session_id: Option<Id>,
    user_id: Option<Id>,
    cache: Option<CacheIdentityInput>,
    prefix: Option<PrefixInput>,
    context: Option<ContextInput>,
    /// Workers that the session could be placed on.
    candidate_workers: Option<Workers>,
    at_least: Option<AtLeast>,
    wait_ms: Option<WaitMs>,
}

/// What to forget.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ErasureBody {
    scope: ErasureWord,
    /// The session or user; left out with scope `tenant`.
    id: Option<Id>,
    /// The same is the same erasure sent again.
    request_id: Option<Id>,
}

/// What is erased.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::http) enum ErasureWord {
    Session,
    User,
    Tenant,
}
