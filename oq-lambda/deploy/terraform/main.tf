# oq on AWS Lambda: a bucket, a function that runs the tasks of one queue, a schedule as the backstop,
# and a policy for producers. `code` is what oq-lambda/deploy/build makes: a zip with the program
# `bootstrap` in it, built for the architecture below, and a folder `handlers`; or with the modules of a
# function in Python.
#
# Whoever comes first marks the store, and producers may not: wait for the first tick, which comes within
# a minute, or run `oq init`, before they submit.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.70"
    }
  }
}

variable "bucket" {
  type        = string
  description = "A new bucket."
}

variable "prefix" {
  type        = string
  default     = "prod"
  description = "Where in the bucket the store is, without slashes at its ends."
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.prefix))
    error_message = "Use letters, digits, _ and -, with single slashes between, as in team/prod."
  }
}

variable "queue" {
  type    = string
  default = "default"
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{0,63}$", var.queue))
    error_message = "Use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit."
  }
}

variable "code" {
  type        = string
  default     = "build/function.zip"
  description = "The zip with the function's program."
}

variable "runtime" {
  type        = string
  default     = "provided.al2023"
  description = "Python before 3.12 runs on Amazon Linux 2, whose C library is too old for oq's wheel."
  validation {
    condition     = can(regex("^(provided[.]al2023|python3[.](1[2-9]|[2-9][0-9]))$", var.runtime))
    error_message = "Use provided.al2023, or python3.12 or newer."
  }
}

variable "handler" {
  type        = string
  default     = "bootstrap"
  description = "In Python MODULE.NAME of what oq.lambda_handler gave."
}

variable "architecture" {
  type    = string
  default = "arm64"
  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Use arm64 or x86_64."
  }
}

variable "timeout" {
  type        = number
  default     = 60
  description = "Seconds. Nothing is begun in the last 15."
  validation {
    condition     = var.timeout >= 30 && var.timeout <= 900
    error_message = "Use 30 to 900 seconds."
  }
}

variable "memory" {
  type        = number
  default     = 256
  description = "MB. The processor comes with it, a whole one with 1769."
  validation {
    condition     = var.memory >= 128 && var.memory <= 10240
    error_message = "Use 128 to 10240 MB."
  }
}

variable "concurrency" {
  type        = number
  default     = 0
  description = "How many tasks one invocation runs at once (OQ_CONCURRENCY). 0: programs one for each 128 MB, Python 32. In Rust it is what the function's own code says."
  validation {
    condition     = var.concurrency >= 0 && var.concurrency <= 1000
    error_message = "Use 0 to 1000."
  }
}

variable "max_concurrency" {
  type        = number
  default     = 0
  description = "How many invocations run at once at most. They are reserved, taken from the account's, of which Lambda keeps 100 (10 in new accounts) for other functions. 0: as many as the account has."
  validation {
    condition     = var.max_concurrency >= 0
    error_message = "Use 0 or more."
  }
}

variable "log_level" {
  type        = string
  default     = "info"
  description = "Of the program bootstrap (OQ_LOG). Tasks that failed for good are logged at error, which the alarm counts; those that are tried again at warn."
  validation {
    condition     = contains(["error", "warn", "info", "debug", "trace"], var.log_level)
    error_message = "Use error, warn, info, debug or trace."
  }
}

variable "log_days" {
  type        = number
  default     = 30
  description = "For how many days logs are kept."
}

variable "alarm_topic" {
  type        = string
  default     = ""
  description = "The ARN of an SNS topic that alarms are sent to. Without one they only show their state."
}

variable "schedules" {
  type = map(object({
    at       = string
    timezone = optional(string, "UTC")
    type     = string
    input    = optional(string, "null")
    options  = optional(string, "{}")
  }))
  default     = {}
  description = "Tasks that are submitted at certain times, by name: at, an expression of EventBridge Scheduler (cron(0 3 * * ? *), rate(1 hour)); the task's type; its input as JSON, in which <aws.scheduler.scheduled-time> stands for the time; and its options as JSON, jsonencode({ timeout = \"10m\", retry = { attempts = 3 } })."
  validation {
    condition     = alltrue([for name, one in var.schedules : can(regex("^[0-9A-Za-z_-]{1,64}$", name)) && can(jsondecode(one.input))])
    error_message = "Name schedules with 1 to 64 letters, digits, - and _, and write inputs as JSON: jsonencode(...)."
  }
  validation {
    condition     = alltrue([for one in var.schedules : can(regex("^[0-9A-Za-z_][0-9A-Za-z._:/-]{0,127}$", one.type))])
    error_message = "Types of tasks are 1 to 128 of letters, digits, '.', '_', ':', '/' and '-', beginning with a letter, digit or '_'."
  }
  validation {
    condition     = alltrue([for one in var.schedules : try(length(setsubtract(keys(jsondecode(one.options)), ["delay", "expires_in", "key_window", "lease", "max_reschedules", "priority", "retention", "retry", "tags", "timeout"])) == 0, false)])
    error_message = "Options are the JSON of an object, jsonencode({...}), with delay, expires_in, key_window, lease, max_reschedules, priority, retention, retry, tags or timeout."
  }
}

variable "submit_auth" {
  type        = string
  default     = "off"
  description = "Who may submit to a function URL. off: there is none. AWS_IAM: who may invoke it and signs his requests."
  validation {
    condition     = contains(["off", "AWS_IAM"], var.submit_auth)
    error_message = "Use off or AWS_IAM. A URL for everybody needs a permission that not every version of the provider can say."
  }
}

variable "submit_handler" {
  type        = string
  default     = "bootstrap"
  description = "In Python MODULE.NAME of what oq.lambda_submitter gave."
}

locals {
  url = "s3://${var.bucket}/${var.prefix}"
  # Names are unique in an account and have at most 64 characters, without dots.
  mark   = substr(sha1("${local.url}/${var.queue}"), 0, 8)
  name   = "oq-${substr(replace(var.queue, ".", "-"), 0, 40)}-${local.mark}"
  failed = "FailedTasks/${var.bucket}/${var.prefix}/${var.queue}"
  # Functions that only submit.
  submitters = var.submit_auth == "off" ? 0 : 1
  environment = {
    OQ_URL   = local.url
    OQ_QUEUE = var.queue
    OQ_LOG   = var.log_level
  }
}

resource "aws_s3_bucket" "store" {
  bucket = var.bucket
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  bucket = aws_s3_bucket.store.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "store" {
  bucket = aws_s3_bucket.store.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket = aws_s3_bucket.store.id
  rule {
    id     = "uploads-that-never-ended"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyEncryptedConnections"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.store.arn, "${aws_s3_bucket.store.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # Whatever does not say what it expects to find would overwrite a task.
  statement {
    sid       = "OnlyConditionalWrites"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.store.arn}/${var.prefix}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "s3:ObjectCreationOperation"
      values   = ["true"]
    }
    condition {
      test     = "Null"
      variable = "s3:if-none-match"
      values   = ["true"]
    }
    condition {
      test     = "Null"
      variable = "s3:if-match"
      values   = ["true"]
    }
  }
}

resource "aws_s3_bucket_policy" "store" {
  bucket     = aws_s3_bucket.store.id
  policy     = data.aws_iam_policy_document.bucket.json
  depends_on = [aws_s3_bucket_public_access_block.store]
}

# What `oq iam` says of workers and producers: handlers submit, too.
data "aws_iam_policy_document" "worker" {
  statement {
    sid     = "Read"
    actions = ["s3:GetObject"]
    resources = [
      "${aws_s3_bucket.store.arn}/${var.prefix}/oq.json",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/queue.json",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/live/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/done/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/dead/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/payload/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/key/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/bell",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/fleet/*",
    ]
  }

  # oq.json marks the store; whoever comes first writes it.
  statement {
    sid     = "Write"
    actions = ["s3:PutObject"]
    resources = [
      "${aws_s3_bucket.store.arn}/${var.prefix}/oq.json",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/live/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/done/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/dead/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/payload/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/bell",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/fleet/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/key/*",
    ]
  }

  statement {
    sid     = "Delete"
    actions = ["s3:DeleteObject"]
    resources = [
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/live/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/done/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/dead/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/payload/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/key/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/fleet/*",
    ]
  }

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values = [
        "${var.prefix}/${var.queue}/live/*",
        "${var.prefix}/${var.queue}/done/*",
        "${var.prefix}/${var.queue}/dead/*",
        "${var.prefix}/${var.queue}/payload/*",
        "${var.prefix}/${var.queue}/key/*",
        "${var.prefix}/${var.queue}/fleet/*",
      ]
    }
  }

  # Without it S3 says "denied" of what is not there.
  statement {
    sid       = "TellThatAKeyIsMissing"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
    condition {
      test     = "Null"
      variable = "s3:prefix"
      values   = ["true"]
    }
  }
}

data "aws_iam_policy_document" "producer" {
  statement {
    sid     = "Read"
    actions = ["s3:GetObject"]
    resources = [
      "${aws_s3_bucket.store.arn}/${var.prefix}/oq.json",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/queue.json",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/live/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/done/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/payload/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/key/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/bell",
    ]
  }

  statement {
    sid     = "Write"
    actions = ["s3:PutObject"]
    resources = [
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/live/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/payload/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/key/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/${var.queue}/bell",
    ]
  }

  # Without it S3 says "denied" of what is not there.
  statement {
    sid       = "TellThatAKeyIsMissing"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
    condition {
      test     = "Null"
      variable = "s3:prefix"
      values   = ["true"]
    }
  }
}

data "aws_iam_policy_document" "logs" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.worker.arn}:*"]
  }
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "worker" {
  name               = "${local.name}-worker"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy" "store" {
  name   = "store"
  role   = aws_iam_role.worker.id
  policy = data.aws_iam_policy_document.worker.json
}

resource "aws_iam_role_policy" "logs" {
  name   = "logs"
  role   = aws_iam_role.worker.id
  policy = data.aws_iam_policy_document.logs.json
}

resource "aws_iam_policy" "producer" {
  name   = "${local.name}-producer"
  policy = data.aws_iam_policy_document.producer.json
}

resource "aws_cloudwatch_log_group" "worker" {
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.log_days
}

# The words of a line that each task leaves which fails for good.
resource "aws_cloudwatch_log_metric_filter" "failed" {
  name           = "${local.name}-failed"
  log_group_name = aws_cloudwatch_log_group.worker.name
  pattern        = "\"a task failed for good\""
  metric_transformation {
    namespace = "oq"
    name      = local.failed
    value     = "1"
    unit      = "Count"
  }
}

resource "aws_lambda_function" "worker" {
  function_name                  = local.name
  description                    = "Runs the tasks of queue ${var.queue}"
  role                           = aws_iam_role.worker.arn
  runtime                        = var.runtime
  handler                        = var.handler
  filename                       = var.code
  source_code_hash               = filebase64sha256(var.code)
  architectures                  = [var.architecture]
  memory_size                    = var.memory
  timeout                        = var.timeout
  reserved_concurrent_executions = var.max_concurrency == 0 ? -1 : var.max_concurrency
  depends_on                     = [aws_cloudwatch_log_group.worker]

  environment {
    variables = merge(local.environment, var.concurrency == 0 ? {} : { OQ_CONCURRENCY = tostring(var.concurrency) })
  }

  lifecycle {
    precondition {
      condition     = startswith(var.runtime, "provided") || can(regex("[.]", var.handler))
      error_message = "Name the function in Python by handler, as MODULE.NAME."
    }
  }
}

# The schedule finds what was not run; an event of yesterday tells nothing.
resource "aws_lambda_function_event_invoke_config" "worker" {
  function_name                = aws_lambda_function.worker.function_name
  maximum_event_age_in_seconds = 3600
  maximum_retry_attempts       = 2
}

data "aws_caller_identity" "current" {}

resource "aws_lambda_permission" "bucket" {
  statement_id   = "bucket"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.worker.function_name
  principal      = "s3.amazonaws.com"
  source_account = data.aws_caller_identity.current.account_id
  source_arn     = aws_s3_bucket.store.arn
}

resource "aws_s3_bucket_notification" "live" {
  bucket = aws_s3_bucket.store.id
  lambda_function {
    lambda_function_arn = aws_lambda_function.worker.arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = "${var.prefix}/${var.queue}/live/"
  }
  depends_on = [aws_lambda_permission.bucket]
}

resource "aws_cloudwatch_event_rule" "tick" {
  name                = "${local.name}-tick"
  description         = "Runs what is due and what no event told of, and takes over what was left"
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "tick" {
  rule = aws_cloudwatch_event_rule.tick.name
  arn  = aws_lambda_function.worker.arn
}

resource "aws_lambda_permission" "tick" {
  statement_id  = "tick"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.worker.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.tick.arn
}

# Tasks by the clock. The key names the schedule and the time, so each time has one task, however often
# the function is called for it, as long as that task does not fail.
resource "aws_scheduler_schedule_group" "task" {
  count = length(var.schedules) == 0 ? 0 : 1
  name  = local.name
}

resource "aws_scheduler_schedule" "task" {
  for_each                     = var.schedules
  group_name                   = aws_scheduler_schedule_group.task[0].name
  name                         = each.key
  description                  = "Submits a task of type ${each.value.type} to queue ${var.queue}"
  schedule_expression          = each.value.at
  schedule_expression_timezone = each.value.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.worker.arn
    role_arn = aws_iam_role.schedule[0].arn
    # The scheduler does not find its words where jsonencode wrote < and > around them.
    input = replace(
      "${trimsuffix(jsonencode(merge(jsondecode(each.value.options), { type = each.value.type })), "}")},\"input\":${each.value.input},\"key\":\"${each.key}:<aws.scheduler.scheduled-time>\"}",
      "/\\\\u003c(aws[.]scheduler[.][a-z-]+)\\\\u003e/", "<$1>"
    )
  }
}

resource "aws_iam_role" "schedule" {
  count              = length(var.schedules) == 0 ? 0 : 1
  name               = "${local.name}-schedule"
  assume_role_policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role_policy" "schedule" {
  count  = length(var.schedules) == 0 ? 0 : 1
  name   = "invoke"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule.json
}

data "aws_iam_policy_document" "schedule" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.worker.arn]
  }
}

# Takes tasks by HTTP, if that is wanted. It only submits.
resource "aws_iam_role" "submit" {
  count              = local.submitters
  name               = "${local.name}-submit"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy_attachment" "submit" {
  count      = local.submitters
  role       = aws_iam_role.submit[0].name
  policy_arn = aws_iam_policy.producer.arn
}

resource "aws_iam_role_policy" "submit_logs" {
  count  = local.submitters
  name   = "logs"
  role   = aws_iam_role.submit[0].id
  policy = data.aws_iam_policy_document.logs.json
}

resource "aws_lambda_function" "submit" {
  count            = local.submitters
  function_name    = "${local.name}-submit"
  description      = "Takes tasks for queue ${var.queue}"
  role             = aws_iam_role.submit[0].arn
  runtime          = var.runtime
  handler          = var.submit_handler
  filename         = var.code
  source_code_hash = filebase64sha256(var.code)
  architectures    = [var.architecture]
  memory_size      = var.memory
  timeout          = 30

  environment {
    variables = merge(local.environment, { OQ_HANDLERS = "none", OQ_HTTP = "on" })
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.worker.name
  }

  lifecycle {
    precondition {
      condition     = startswith(var.runtime, "provided") || can(regex("[.]", var.submit_handler))
      error_message = "Name the function in Python that submits by submit_handler, as MODULE.NAME."
    }
  }
}

resource "aws_lambda_function_url" "submit" {
  count              = local.submitters
  function_name      = aws_lambda_function.submit[0].function_name
  authorization_type = var.submit_auth
}

locals {
  of_worker    = { FunctionName = aws_lambda_function.worker.function_name }
  of_submitter = { FunctionName = "${local.name}-submit" }
  of_schedules = { ScheduleGroup = local.name }
  alarms = {
    tasks-fail     = { on = true, namespace = "oq", metric = local.failed, of = {}, at = 1, periods = 1, below = false, why = "Tasks failed for good. The function's log says which and why; so does oq dead." }
    failing        = { on = true, namespace = "AWS/Lambda", metric = "Errors", of = local.of_worker, at = 5, periods = 1, below = false, why = "Invocations fail. The function's log says why." }
    dropped        = { on = true, namespace = "AWS/Lambda", metric = "AsyncEventsDropped", of = local.of_worker, at = 1, periods = 1, below = false, why = "Lambda gave up an event that failed three times or waited for an hour. A task that it was to submit is not there; those in the bucket the schedule finds. The function's log says why." }
    throttled      = { on = true, namespace = "AWS/Lambda", metric = "Throttles", of = local.of_worker, at = 1, periods = 3, below = false, why = "More events than max_concurrency or the account allows. Tasks in the bucket wait, and the schedule finds them." }
    silent         = { on = true, namespace = "AWS/Lambda", metric = "Invocations", of = local.of_worker, at = 1, periods = 1, below = true, why = "Not even the schedule starts the function any more." }
    not-scheduled  = { on = length(var.schedules) > 0, namespace = "AWS/Scheduler", metric = "InvocationDroppedCount", of = local.of_schedules, at = 1, periods = 1, below = false, why = "EventBridge could not call the function for a schedule, and gave up: its task is not there." }
    submit-failing = { on = local.submitters > 0, namespace = "AWS/Lambda", metric = "Errors", of = local.of_submitter, at = 5, periods = 1, below = false, why = "Invocations of the function that submits fail. Its log says why." }
  }
}

resource "aws_cloudwatch_metric_alarm" "worker" {
  for_each            = { for name, alarm in local.alarms : name => alarm if alarm.on }
  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.why
  alarm_actions       = var.alarm_topic == "" ? [] : [var.alarm_topic]
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.of
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = each.value.periods
  threshold           = each.value.at
  comparison_operator = each.value.below ? "LessThanThreshold" : "GreaterThanOrEqualToThreshold"
  treat_missing_data  = each.value.below ? "breaching" : "notBreaching"
}

output "url" {
  description = "OQ_URL of producers"
  value       = local.url
}

output "producer_policy" {
  description = "To be attached to whoever submits"
  value       = aws_iam_policy.producer.arn
}

output "submit_url" {
  description = "POST a task to it"
  value       = var.submit_auth == "off" ? null : aws_lambda_function_url.submit[0].function_url
}
