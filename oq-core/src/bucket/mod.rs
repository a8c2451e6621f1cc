//! What oq asks of a bucket as a whole: lifecycle rules as a backstop, and policies that let each
//! role do what it needs and no more.
//!
//! `lifecycle` and `policy` are pure; `examine` and `layout` ask the bucket, through
//! `store::s3::Bucket`.

#[cfg(feature = "s3")]
pub mod examine;
pub mod layout;
pub mod lifecycle;
pub mod policy;
