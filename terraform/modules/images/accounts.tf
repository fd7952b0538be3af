# The service accounts, one for each task, or existing ones that service_accounts names. The sender of events: events.tf.

locals {
  tasks = {
    build     = { id = "${var.name}-build", title = "Builds the functions of ${var.name}" }
    trigger   = { id = local.names.trigger, title = "Trigger of ${var.name}" }
    poller    = { id = local.names.poller, title = "Poller of ${var.name}" }
    scheduler = { id = "${var.name}-scheduler", title = "Calls the poller of ${var.name}" }
  }

  accounts = merge(
    { for task, account in google_service_account.task : task => {
      email  = account.email
      member = account.member
      name   = account.name
    } },
    { for task, email in var.service_accounts : task => {
      email  = email
      member = "serviceAccount:${email}"
      name   = "projects/${regex("@([^.]+)", email)[0]}/serviceAccounts/${email}"
    } },
  )
}

resource "google_service_account" "task" {
  for_each = { for task, account in local.tasks : task => account if !contains(keys(var.service_accounts), task) }

  account_id   = each.value.id
  display_name = each.value.title

  depends_on = [time_sleep.apis]
}
