//! The compare-and-set register: what one call does to it, if it can have been answered so.

use std::collections::BTreeMap;

use bytes::Bytes;
use oq_core::store::Etag;

use super::{Asked, Call, Saw};

/// Which version is there; `None`: nothing is.
pub type State = Option<Etag>;

/// What is known of the versions of one object: which ETags its bodies were seen under.
#[derive(Debug, Clone, Default)]
pub struct Register {
    etags: BTreeMap<Bytes, Vec<Etag>>,
}

impl Register {
    pub fn new(bodies: impl IntoIterator<Item = (Etag, Bytes)>) -> Register {
        let mut etags: BTreeMap<Bytes, Vec<Etag>> = BTreeMap::new();
        for (etag, body) in bodies {
            etags.entry(body).or_default().push(etag);
        }
        Register { etags }
    }

    /// The states that a call may leave behind; none when it cannot have been answered so here.
    pub fn step(&self, call: &Call, state: &State) -> Vec<State> {
        let stays = |fits: bool| {
            if fits {
                vec![state.clone()]
            } else {
                Vec::new()
            }
        };
        let condition = match &call.asked {
            Asked::Create(_) => state.is_none(),
            Asked::Update(_, seen) | Asked::DeleteIf(seen) => state.as_ref() == Some(seen),
            Asked::Read | Asked::Delete => true,
        };
        match (&call.saw, &call.asked) {
            (Saw::Refused, _) | (Saw::Nothing, Asked::Read) => Vec::new(),
            (Saw::Absent, _) => stays(state.is_none()),
            (Saw::There(etag), _) => stays(state.as_ref() == Some(etag)),
            (Saw::Lost, _) => stays(!condition),
            (Saw::Won(_) | Saw::Nothing, _) if !condition => Vec::new(),
            (Saw::Won(_) | Saw::Nothing, Asked::Delete | Asked::DeleteIf(_)) => vec![None],
            (Saw::Won(etag), _) => vec![etag.clone()],
            (Saw::Nothing, Asked::Create(body) | Asked::Update(body, _)) => {
                self.written(call, body)
            }
        }
    }

    /// The versions that a write without an answer may have made. One that nobody was ever told of
    /// has a name that nobody asks for.
    fn written(&self, call: &Call, body: &Bytes) -> Vec<State> {
        match self.etags.get(body) {
            Some(etags) => etags.iter().cloned().map(Some).collect(),
            None => vec![Some(Etag::new(format!("unseen, of {:?}", call.sent)))],
        }
    }
}
