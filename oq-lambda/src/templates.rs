//! What deploys a function: the templates in `deploy/`, as `oq lambda template` prints them.

/// For the AWS Serverless Application Model, and CloudFormation.
pub const SAM: &str = include_str!("../deploy/sam/template.yaml");

/// For Terraform and OpenTofu.
pub const TERRAFORM: &str = include_str!("../deploy/terraform/main.tf");
