//! What oq asks of a bucket as a whole: lifecycle rules as a backstop, and policies that let each
//! role do what it needs and no more. Everything here is pure; `store::s3::Bucket` carries it out.

pub mod lifecycle;
pub mod policy;
