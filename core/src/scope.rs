use serde::{Deserialize, Serialize};

use crate::{ApplicationId, SessionId, TenantId, UserId};

/// Who acts and within which walls. Every access to data, models and tools happens inside one scope;
/// it is chosen by the face that authenticated the caller, never by a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The tenant whose data is seen.
    pub tenant: TenantId,
    /// The application on whose behalf this happens, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// The acting user, recorded with each write.
    pub user: UserId,
    /// The session that the access belongs to.
    pub session: SessionId,
}

impl Scope {
    /// A scope with a fresh session and no application.
    pub fn new(tenant: TenantId, user: UserId) -> Self {
        Self { tenant, application: None, user, session: SessionId::generate() }
    }
}
