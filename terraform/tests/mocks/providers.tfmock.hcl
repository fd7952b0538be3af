# Computed values that the tests need to read. All others are random and unique, so that a reference shows as two equal
# values.

mock_data "google_project" {
  defaults = { number = "123456789012" }
}

mock_data "archive_file" {
  defaults = { output_md5 = "1B2M2Y8AsgTpgAmY7PhCfg==" } # the same in each plan
}

mock_data "google_storage_project_service_account" {
  defaults = { email_address = "storage@system.iam.gserviceaccount.com" }
}

override_resource {
  target = module.images.google_pubsub_topic.images
  values = { id = "projects/example-project/topics/stored" }
}

override_resource {
  target = module.images.google_pubsub_topic.requests
  values = { id = "projects/example-project/topics/requests" }
}

override_resource {
  target = module.images.google_pubsub_topic.dead_letters
  values = { id = "projects/example-project/topics/dead-letters" }
}

override_resource {
  target = module.images.google_service_account.task["build"]
  values = {
    id     = "projects/example-project/serviceAccounts/build@example.iam.gserviceaccount.com"
    name   = "projects/example-project/serviceAccounts/build@example.iam.gserviceaccount.com"
    email  = "build@example.iam.gserviceaccount.com"
    member = "serviceAccount:build@example.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.images.google_service_account.task["trigger"]
  values = {
    id     = "projects/example-project/serviceAccounts/trigger@example.iam.gserviceaccount.com"
    name   = "projects/example-project/serviceAccounts/trigger@example.iam.gserviceaccount.com"
    email  = "trigger@example.iam.gserviceaccount.com"
    member = "serviceAccount:trigger@example.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.images.google_service_account.task["poller"]
  values = {
    id     = "projects/example-project/serviceAccounts/poller@example.iam.gserviceaccount.com"
    name   = "projects/example-project/serviceAccounts/poller@example.iam.gserviceaccount.com"
    email  = "poller@example.iam.gserviceaccount.com"
    member = "serviceAccount:poller@example.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.images.google_service_account.task["scheduler"]
  values = {
    id     = "projects/example-project/serviceAccounts/scheduler@example.iam.gserviceaccount.com"
    name   = "projects/example-project/serviceAccounts/scheduler@example.iam.gserviceaccount.com"
    email  = "scheduler@example.iam.gserviceaccount.com"
    member = "serviceAccount:scheduler@example.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.images.google_service_account.events
  values = {
    id     = "projects/example-project/serviceAccounts/events@example.iam.gserviceaccount.com"
    name   = "projects/example-project/serviceAccounts/events@example.iam.gserviceaccount.com"
    email  = "events@example.iam.gserviceaccount.com"
    member = "serviceAccount:events@example.iam.gserviceaccount.com"
  }
}
