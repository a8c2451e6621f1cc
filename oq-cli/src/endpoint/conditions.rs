//! Conditions of requests: which there are, and what S3 answers. No I/O.

use oq_core::store::{Etag, Object};
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use super::clock::shown;

/// The ETag of a version, as S3 answers it.
pub fn etag_of(etag: &Etag) -> ETag {
    let text = etag.as_str();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    ETag::Strong(bare.unwrap_or(text).to_owned())
}

/// The version that an ETag names. A weak one names none, for S3 gives strong ones only.
fn version(etag: ETag) -> Etag {
    match etag {
        ETag::Strong(text) => Etag::new(format!("\"{text}\"")),
        ETag::Weak(text) => Etag::new(format!("W/\"{text}\"")),
    }
}

/// What a write demands of what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    Any,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match: "…"`.
    Version(Etag),
}

impl Demand {
    /// S3 knows `*` for a key that must be free and an ETag for a version that must be there, and
    /// nothing else.
    pub fn of_put(
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
    ) -> S3Result<Demand> {
        match (if_match, if_none_match) {
            (None, None) => Ok(Demand::Any),
            (None, Some(ETagCondition::Any)) => Ok(Demand::Absent),
            (Some(ETagCondition::ETag(etag)), None) => Ok(Demand::Version(version(etag))),
            (Some(_), Some(_)) => Err(s3_error!(
                NotImplemented,
                "S3 takes one condition on a write: If-Match or If-None-Match"
            )),
            _ => Err(s3_error!(
                NotImplemented,
                "S3 takes 'If-None-Match: *' or 'If-Match: ETAG' on a write"
            )),
        }
    }
}

/// What a deletion demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteDemand {
    /// Nothing: what is not there is deleted too.
    Any,
    /// `If-Match: *`.
    Exists,
    /// `If-Match: "…"`.
    Version(Etag),
}

impl DeleteDemand {
    pub fn of(if_match: Option<ETagCondition>) -> DeleteDemand {
        match if_match {
            None => DeleteDemand::Any,
            Some(ETagCondition::Any) => DeleteDemand::Exists,
            Some(ETagCondition::ETag(etag)) => DeleteDemand::Version(version(etag)),
        }
    }
}

/// The conditions of a read.
#[derive(Debug, Clone, Default)]
pub struct ReadDemand {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadDemand {
    /// Whether this version may be answered: `NotModified` or `PreconditionFailed` if not.
    ///
    /// An ETag, where there is one, outweighs the date beside it.
    pub fn check(&self, object: &Object) -> S3Result<()> {
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => version(etag.clone()) == object.etag,
        };
        let modified = shown(object.last_modified);
        let holds = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => is(condition),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        if !holds {
            return Err(failed());
        }
        let same = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => is(condition),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        if same {
            return Err(s3_error!(NotModified));
        }
        Ok(())
    }

    /// The same for the source of a copy, where S3 knows no 304.
    pub fn check_source(&self, object: &Object) -> S3Result<()> {
        self.check(object).map_err(|_| failed())
    }
}

/// 412, in S3's words.
pub fn failed() -> s3s::S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}

#[cfg(test)]
mod tests {
    use oq_core::StoreTime;
    use s3s::S3ErrorCode;
    use s3s::dto::TimestampFormat;

    use super::*;

    fn condition(text: &str) -> Option<ETagCondition> {
        Some(text.parse().unwrap())
    }

    fn at(date: &str) -> Option<Timestamp> {
        Some(Timestamp::parse(TimestampFormat::HttpDate, date).unwrap())
    }

    #[test]
    fn writes_know_two_conditions_and_refuse_all_else() {
        let put = |m: Option<&str>, n: Option<&str>| {
            Demand::of_put(m.and_then(condition), n.and_then(condition))
        };
        assert_eq!(put(None, None).unwrap(), Demand::Any);
        assert_eq!(put(None, Some("*")).unwrap(), Demand::Absent);
        let version = Demand::Version(Etag::new("\"a-1\""));
        assert_eq!(put(Some("\"a-1\""), None).unwrap(), version);
        // Some clients leave the quotes out, and S3 takes that.
        assert_eq!(put(Some("a-1"), None).unwrap(), version);
        assert_ne!(put(Some("W/\"a-1\""), None).unwrap(), version);
        for (m, n) in [
            (Some("*"), None),
            (None, Some("\"a\"")),
            (Some("\"a\""), Some("*")),
        ] {
            let error = put(m, n).unwrap_err();
            assert_eq!(*error.code(), S3ErrorCode::NotImplemented, "{m:?} {n:?}");
        }
    }

    #[test]
    fn reads_weigh_etags_before_dates() {
        const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
        const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let object = Object {
            body: "x".into(),
            etag: Etag::new("\"a\""),
            // Half a second past what S3 shows: a date of that second is not older.
            last_modified: StoreTime::from_millis(784_111_777_500),
        };
        // If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since; the answer.
        type Row = (
            Option<&'static str>,
            Option<&'static str>,
            Option<&'static str>,
            Option<&'static str>,
            u16,
        );
        let table: [Row; 14] = [
            (None, None, None, None, 200),
            (Some("\"a\""), None, None, None, 200),
            (Some("\"b\""), None, None, None, 412),
            (Some("*"), None, None, None, 200),
            (None, Some("\"a\""), None, None, 304),
            (None, Some("\"b\""), None, None, 200),
            (None, Some("*"), None, None, 304),
            (None, None, Some(SAME), None, 304),
            (None, None, Some(BEFORE), None, 200),
            (None, None, None, Some(SAME), 200),
            (None, None, None, Some(BEFORE), 412),
            (Some("\"a\""), None, None, Some(BEFORE), 200),
            (None, Some("\"b\""), Some(SAME), None, 200),
            (Some("\"b\""), Some("\"a\""), None, None, 412),
        ];
        for row in table {
            let (m, n, modified, unmodified, want) = row;
            let demand = ReadDemand {
                if_match: m.and_then(condition),
                if_none_match: n.and_then(condition),
                if_modified_since: modified.and_then(at),
                if_unmodified_since: unmodified.and_then(at),
            };
            let got = match demand.check(&object) {
                Ok(()) => 200,
                Err(e) => e.status_code().unwrap().as_u16(),
            };
            assert_eq!(got, want, "{row:?}");
        }
    }
}
