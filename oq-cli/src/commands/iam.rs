//! `oq iam`.

use oq_core::bucket::policy::{self, Place};
use oq_core::record::{QueueName, Role};
use oq_core::store::s3::Named;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::session::Session;

/// Print an AWS policy: what a role needs and no more, or what nobody may do in the bucket.
///
/// Reads nothing and needs no credentials. For --role: attach it to the user or role that the
/// program runs as. For --bucket-policy: set it on the bucket.
#[derive(Debug, clap::Args)]
pub struct Iam {
    /// What the program does: producer, worker, operator or viewer.
    #[arg(long, required_unless_present = "bucket_policy")]
    role: Option<Role>,

    /// The bucket's own policy: refuses writes without a condition, and requests without TLS.
    #[arg(long, conflicts_with = "role")]
    bucket_policy: bool,

    /// Only for this queue; may be repeated. All queues unless said.
    #[arg(long = "only", value_name = "QUEUE")]
    only: Vec<QueueName>,

    #[command(flatten)]
    partition: Partition,
}

/// What every command that prints policies has to know beside the store.
#[derive(Debug, clap::Args)]
pub struct Partition {
    /// The partition of AWS that policies are for: aws, aws-cn or aws-us-gov.
    #[arg(long, default_value = "aws", value_parser = ["aws", "aws-cn", "aws-us-gov"])]
    partition: String,
}

impl Partition {
    /// The store as policies name it.
    pub fn place<'a>(&'a self, named: &'a Named) -> Place<'a> {
        Place {
            bucket: &named.bucket,
            root: &named.root,
            partition: &self.partition,
        }
    }
}

impl Iam {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let url = oq.url()?;
        if !url.starts_with("s3:") {
            return Err(Failed::usage(
                "policies are for buckets",
                "add --url s3://BUCKET/PREFIX",
            ));
        }
        let named = Named::by(url).map_err(oq_core::Error::from)?;
        let place = self.partition.place(&named);
        let policy = match self.role {
            Some(role) => policy::role(place, role, &self.only),
            None => policy::bucket(place),
        };
        oq.print.line(&format!("{policy:#}"))?;
        Ok(Exit::Ok)
    }
}
