# Written by `python -m tests.terraform.root` from modules/images: change it there.

variable "project_id" {
  description = "Google Cloud project to deploy into. It must exist and have a billing account."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the functions, buckets, and schedule, and of the database unless database_location is set."
  type        = string
  default     = "us-central1"
  nullable    = false
}

variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
  default     = "wireflow-images"
  nullable    = false
}

variable "ingress" {
  description = "Networks that the trigger accepts requests from: all, internal, or internal-and-load-balancing (an external load balancer in front)."
  type        = string
  default     = "all"
  nullable    = false
}

variable "public" {
  description = "Whether the trigger accepts callers without a Google identity: anyone with a credential that the function checks can spend credits."
  type        = bool
  default     = false
  nullable    = false
}

variable "invokers" {
  description = "IAM members that may call the trigger: \"user:…\", \"group:…\", \"serviceAccount:…\", \"domain:…\", \"principal://…\", \"principalSet://…\"."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "restrict_build_account" {
  description = "Whether the build account reads only the two buckets of the packages. Set false if builds fail with denied on storage."
  type        = bool
  default     = true
  nullable    = false
}

variable "pubsub_push" {
  description = "Whether to create a topic whose messages become jobs, with a dead-letter topic for undeliverable ones."
  type        = bool
  default     = false
  nullable    = false
}

variable "eventarc" {
  description = "Whether to create an Eventarc trigger: the messages of a topic become jobs."
  type        = bool
  default     = false
  nullable    = false
}

variable "eventarc_topic" {
  description = "Topic that Eventarc delivers from, as projects/PROJECT/topics/TOPIC. Default: a new topic is created."
  type        = string
  default     = null
}

variable "min_instances" {
  description = "Instances of the trigger that are kept warm, about $10 a month each. With 0 the first request has a cold start of about a second."
  type        = number
  default     = 0
  nullable    = false
}

variable "max_instances" {
  description = "Maximum instances of the trigger; each handles 12 concurrent requests."
  type        = number
  default     = 10
  nullable    = false
}

variable "create_database" {
  description = "Whether to create the database. false: use the existing database_name, which keeps its rules, with collections jobs, hooks, and control."
  type        = bool
  default     = true
  nullable    = false
}

variable "database_name" {
  description = "Firestore database for the jobs. Only one database per project has a free tier."
  type        = string
  default     = "(default)"
  nullable    = false
}

variable "database_location" {
  description = "Location of the database, such as nam5 or eur3. Default: region. It cannot be changed later."
  type        = string
  default     = null
}

variable "delete_protection" {
  description = "Whether the database and the images are protected from a destroy. To delete everything, apply with false first."
  type        = bool
  default     = true
  nullable    = false
}

variable "point_in_time_recovery" {
  description = "Whether the database can be restored to any minute of the last seven days. Stored versions are billed."
  type        = bool
  default     = false
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days that daily backups of the database are kept. Default: no backups. Backups are billed and outlive the database."
  type        = number
  default     = null
}

variable "image_retention_days" {
  description = "Days after which an image is deleted. Default: never."
  type        = number
  default     = null
}

variable "cors_origins" {
  description = "Origins whose scripts may read images from the bucket, such as https://example.com. A plain img element does not need this."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "notification_emails" {
  description = "Email addresses that receive alerts and budget notifications."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "runbook_url" {
  description = "URL of terraform/README.md where your team reads it; each alert links to its section."
  type        = string
  default     = "terraform/README.md"
  nullable    = false
}

variable "billing_account" {
  description = "Billing account of the budget, such as 012345-6789AB-CDEF01. Only needed with monthly_budget_usd."
  type        = string
  default     = null
}

variable "monthly_budget_usd" {
  description = "Monthly Google Cloud budget in whole US dollars, which the billing account must use. Notifies at 50, 90, and 100%. Default: none."
  type        = number
  default     = null
}

variable "public_url" {
  description = "Base URL used in responses, such as https://images.example.com. Default: the trigger's own, https://NAME-trigger-PROJECTNUMBER.REGION.run.app."
  type        = string
  default     = null
}

variable "wireflow_base_url" {
  description = "Base URL of Wireflow's API, including /api/v1."
  type        = string
  default     = null
}

variable "wireflow_plan" {
  description = "Wireflow plan, which sets the rate limits: free, starter, pro, or enterprise."
  type        = string
  default     = null
}

variable "wireflow_models" {
  description = "Additional models, each with its resolutions, or with an object of any of resolutions, aspectRatios, and inputImages."
  type        = any # a map: each value is a list or an object
  default     = null
}

variable "executions_per_minute" {
  description = "Maximum executions per minute, instead of the plan's; 0: no limit."
  type        = number
  default     = null
}

variable "daily_executions" {
  description = "Maximum executions per day, instead of the plan's; 0: no limit. Caps what a day can cost."
  type        = number
  default     = null
}

variable "usd_per_credit" {
  description = "US dollars for one credit of Wireflow, for the cost of a job and for its estimate without pricePerImage."
  type        = number
  default     = null
}

variable "daily_spend_usd" {
  description = "Dollars that all jobs may spend on a day (UTC); 0: no limit. Every workflow then needs pricePerImage."
  type        = number
  default     = null
}

variable "monthly_spend_usd" {
  description = "Dollars that all jobs may spend in a month (UTC); 0: no limit. Every workflow then needs pricePerImage."
  type        = number
  default     = null
}

variable "spend_per_10_minutes_usd" {
  description = "Dollars that all jobs may spend within ten minutes; 0: no limit. Every workflow then needs pricePerImage."
  type        = number
  default     = null
}

variable "caller_limits" {
  description = "Limits of individual callers, by name, each with any of perDay (starts), usdPerDay, usdPerMonth, and maxQueued."
  type        = map(map(number))
  default     = null
}

variable "on_unknown" {
  description = "What to do when the outcome of a paid call is unknown: retry (once, with the same idempotency key) or hold (fail the job)."
  type        = string
  default     = null
}

variable "poll_window_seconds" {
  description = "Maximum seconds that one call of the poller works. Its timeout and Cloud Scheduler's deadline are derived from it."
  type        = number
  default     = null
}

variable "poll_idle_exit_seconds" {
  description = "Seconds that a window stays open with no job in flight. This is most of the cost of an idle deployment."
  type        = number
  default     = null
}

variable "lease_seconds" {
  description = "Seconds until another worker may take over a job whose worker has died."
  type        = number
  default     = null
}

variable "run_deadline_seconds" {
  description = "Seconds that a run may take at Wireflow before the job fails with timed_out."
  type        = number
  default     = null
}

variable "max_image_bytes" {
  description = "Maximum size of an image in bytes; larger images are rejected."
  type        = number
  default     = null
}

variable "max_queue_hours" {
  description = "Hours that a job may be queued before it fails."
  type        = number
  default     = null
}

variable "max_queued_jobs" {
  description = "How many jobs may be queued; beyond it new ones are rejected with 429. 0: no limit."
  type        = number
  default     = null
}

variable "retention_days" {
  description = "Days until Firestore deletes a job's document. Its images stay."
  type        = number
  default     = null
}

variable "image_hosts" {
  description = "Hosts that images may be copied from, as host or host:port; each includes its subdomains. Replaces the default list."
  type        = list(string)
  default     = null
}

variable "form_origins" {
  description = "Origins whose pages may submit jobs without a token, within form_per_minute and form_per_hour, such as https://example.com."
  type        = list(string)
  default     = null
}

variable "form_per_minute" {
  description = "Maximum new jobs per minute that browsers without a token may submit from one IP address; 0: no limit."
  type        = number
  default     = null
}

variable "form_per_hour" {
  description = "Maximum new jobs per hour that browsers without a token may submit in total; 0: no limit."
  type        = number
  default     = null
}

variable "form_require_token" {
  description = "Whether forms must send a form token, which the page fetches first (needs JavaScript)."
  type        = bool
  default     = null
}

variable "turnstile_site_key" {
  description = "Site key of Cloudflare Turnstile for the playground; it is public."
  type        = string
  default     = null
}

variable "playground" {
  description = "Whether GET / is a page on which people create images, with a token or, if form_origins has the trigger's own origin, without."
  type        = bool
  default     = null
}

variable "trusted_proxies" {
  description = "Number of your own proxies in front of the trigger: the client's address is that many entries further left in X-Forwarded-For."
  type        = number
  default     = null
}

variable "event_service_account" {
  description = "Service account that sends events, which Pub/Sub must be allowed to use. Default: one is created if pubsub_push or eventarc needs it."
  type        = string
  default     = null
}

variable "event_audience" {
  description = "Audience of the tokens of events. Default: the trigger's own URL, https://NAME-trigger-PROJECTNUMBER.REGION.run.app."
  type        = string
  default     = null
}

variable "webhook_id" {
  description = "Wireflow webhook id, required unless secret_ids names it. Set it as TF_VAR_webhook_id; it never reaches the plan or the state."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false
}

variable "api_key" {
  description = "Wireflow API key, required unless secret_ids names it. Set it as TF_VAR_api_key; it never reaches the plan or the state."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false
}

variable "secrets" {
  description = "Optional secrets that have a value: trigger_tokens, trigger_signing_secrets, callback_signing_secrets, turnstile_secret, wireflow_workflows."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "trigger_tokens" {
  description = "Callers' tokens as JSON: name => SHA-256 in lowercase hex, or {\"sha256\", \"admin\"}. `python -m functions token NAME` creates one."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false
}

variable "trigger_signing_secrets" {
  description = "Signing secrets of callers that use Standard Webhooks, as JSON: name => list of whsec_…, two during a rotation."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false
}

variable "callback_signing_secrets" {
  description = "Secrets that sign the messages for callbackUrl, as JSON: caller or * => list of at most two whsec_…; without any they are not signed."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false
}

variable "turnstile_secret" {
  description = "Secret key of Cloudflare Turnstile. If set, browsers without a token must send a Turnstile response."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false
}

variable "wireflow_workflows" {
  description = "Workflows by name, as JSON; see \"Workflows\" in functions/trigger/README.md. A secret because it contains webhook ids."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false
}

variable "secrets_version" {
  description = "Raise by one when the value of any secret changes: Terraform cannot see changes of write-only values."
  type        = number
  default     = 1
  nullable    = false
}

variable "secret_versions" {
  description = "Versions of individual secrets, by the name of their variable, which replace secrets_version: { api_key = 2 } changes api_key alone."
  type        = map(number)
  default     = {}
  nullable    = false
}

variable "secret_ids" {
  description = "Existing secrets by the name of their variable, such as { api_key = \"projects/P/secrets/S\" }, or with /versions/N; otherwise latest."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "notification_channels" {
  description = "Existing notification channels, as projects/PROJECT/notificationChannels/ID, in addition to those of notification_emails."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "labels" {
  description = "Labels of every resource that has labels, for example { team = \"web\" }."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "kms_key" {
  description = "Cloud KMS key in region that encrypts the buckets, database, topics, and secrets. The key of an existing database cannot change."
  type        = string
  default     = null
}

variable "docker_repository" {
  description = "Existing Artifact Registry repository for the container images of the builds. Default: gcf-artifacts, which Google creates."
  type        = string
  default     = null
}

variable "service_accounts" {
  description = "Email addresses of existing service accounts, by task: build, trigger, poller, scheduler. They are granted their roles."
  type        = map(string)
  default     = {}
  nullable    = false
}
