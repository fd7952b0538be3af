# What each resource type needs: the roles that create, change, and delete it, and the permissions that a plan reads it
# with. tests/terraform/test_delivery.py fails if a type in use is missing here, or a type here is not in use.
# A request of the provider google.counted names a quota project, which needs serviceusage.services.use on that project.
# https://cloud.google.com/docs/quotas/set-quota-project

locals {
  deploys = {
    google_artifact_registry_repository_iam_member = ["roles/artifactregistry.admin"]
    google_billing_budget                          = ["roles/serviceusage.serviceUsageAdmin"] # the rest on the billing account, see README.md
    google_cloud_run_v2_service_iam_member         = ["roles/run.admin"]
    google_cloud_scheduler_job                     = ["roles/cloudscheduler.admin", "roles/iam.serviceAccountUser"]
    google_cloud_tasks_queue                       = ["roles/cloudtasks.queueAdmin"]
    google_cloud_tasks_queue_iam_member            = ["roles/cloudtasks.queueAdmin"]
    google_cloudfunctions2_function                = ["roles/cloudfunctions.developer", "roles/iam.serviceAccountUser"]
    google_eventarc_trigger                        = ["roles/eventarc.admin", "roles/iam.serviceAccountUser"]
    google_firebaserules_release                   = ["roles/firebaserules.admin", "roles/serviceusage.serviceUsageAdmin"]
    google_firebaserules_ruleset                   = ["roles/firebaserules.admin", "roles/serviceusage.serviceUsageAdmin"]
    google_firestore_backup_schedule               = ["roles/datastore.owner"]
    google_firestore_database                      = ["roles/datastore.owner"]
    google_firestore_field                         = ["roles/datastore.owner"]
    google_firestore_index                         = ["roles/datastore.owner"]
    google_logging_metric                          = ["roles/logging.configWriter"]
    google_monitoring_alert_policy                 = ["roles/monitoring.editor"]
    google_monitoring_dashboard                    = ["roles/monitoring.editor"]
    google_monitoring_notification_channel         = ["roles/monitoring.editor"]
    google_monitoring_uptime_check_config          = ["roles/monitoring.editor"]
    google_project_iam_member                      = [] # roles/resourcemanager.projectIamAdmin, restricted: see main.tf
    google_project_service                         = ["roles/serviceusage.serviceUsageAdmin"]
    google_pubsub_subscription                     = ["roles/pubsub.admin", "roles/iam.serviceAccountUser"]
    google_pubsub_subscription_iam_member          = ["roles/pubsub.admin"]
    google_pubsub_topic                            = ["roles/pubsub.admin"]
    google_pubsub_topic_iam_member                 = ["roles/pubsub.admin"]
    google_secret_manager_secret                   = ["roles/secretmanager.admin"]
    google_secret_manager_secret_iam_member        = ["roles/secretmanager.admin"]
    google_secret_manager_secret_version           = ["roles/secretmanager.admin"]
    google_service_account                         = ["roles/iam.serviceAccountAdmin"]
    google_service_account_iam_member              = ["roles/iam.serviceAccountAdmin"]
    google_storage_bucket                          = ["roles/storage.admin"]
    google_storage_bucket_iam_member               = ["roles/storage.admin"]
    google_storage_bucket_object                   = ["roles/storage.admin"]
    google_storage_notification                    = ["roles/storage.admin"]
  }

  deploys_load_balancer = {
    google_compute_backend_service               = ["roles/compute.loadBalancerAdmin"]
    google_compute_global_address                = ["roles/compute.loadBalancerAdmin"]
    google_compute_global_forwarding_rule        = ["roles/compute.loadBalancerAdmin"]
    google_compute_managed_ssl_certificate       = ["roles/compute.loadBalancerAdmin"]
    google_compute_region_network_endpoint_group = ["roles/compute.loadBalancerAdmin"]
    google_compute_security_policy               = ["roles/compute.securityAdmin"]
    google_compute_target_https_proxy            = ["roles/compute.loadBalancerAdmin"]
    google_compute_url_map                       = ["roles/compute.loadBalancerAdmin"]
  }

  reads = {
    google_artifact_registry_repository_iam_member = ["artifactregistry.repositories.getIamPolicy"]
    google_billing_budget                          = ["serviceusage.services.use"] # the rest on the billing account, see README.md
    google_cloud_run_v2_service_iam_member         = ["run.services.getIamPolicy"]
    google_cloud_scheduler_job                     = ["cloudscheduler.jobs.get"]
    google_cloud_tasks_queue                       = ["cloudtasks.queues.get"]
    google_cloud_tasks_queue_iam_member            = ["cloudtasks.queues.getIamPolicy"]
    google_cloudfunctions2_function                = ["cloudfunctions.functions.get"]
    google_eventarc_trigger                        = ["eventarc.triggers.get"]
    google_firebaserules_release                   = ["firebaserules.releases.get", "serviceusage.services.use"]
    google_firebaserules_ruleset                   = ["firebaserules.rulesets.get", "serviceusage.services.use"]
    google_firestore_backup_schedule               = ["datastore.backupSchedules.get"]
    google_firestore_database                      = ["datastore.databases.get", "datastore.databases.getMetadata"]
    google_firestore_field                         = ["datastore.indexes.get", "datastore.indexes.list"]
    google_firestore_index                         = ["datastore.indexes.get", "datastore.indexes.list"]
    google_logging_metric                          = ["logging.logMetrics.get"]
    google_monitoring_alert_policy                 = ["monitoring.alertPolicies.get"]
    google_monitoring_dashboard                    = ["monitoring.dashboards.get"]
    google_monitoring_notification_channel         = ["monitoring.notificationChannels.get"]
    google_monitoring_uptime_check_config          = ["monitoring.uptimeCheckConfigs.get"]
    google_project_iam_member                      = ["resourcemanager.projects.getIamPolicy"]
    google_project_service                         = ["serviceusage.services.get", "serviceusage.services.list"]
    google_pubsub_subscription                     = ["pubsub.subscriptions.get"]
    google_pubsub_subscription_iam_member          = ["pubsub.subscriptions.getIamPolicy"]
    google_pubsub_topic                            = ["pubsub.topics.get"]
    google_pubsub_topic_iam_member                 = ["pubsub.topics.getIamPolicy"]
    google_secret_manager_secret                   = ["secretmanager.secrets.get"]
    google_secret_manager_secret_iam_member        = ["secretmanager.secrets.getIamPolicy"]
    google_secret_manager_secret_version           = ["secretmanager.versions.get"]
    google_service_account                         = ["iam.serviceAccounts.get"]
    google_service_account_iam_member              = ["iam.serviceAccounts.getIamPolicy"]
    google_storage_bucket                          = ["storage.buckets.get"]
    google_storage_bucket_iam_member               = ["storage.buckets.getIamPolicy"]
    google_storage_bucket_object                   = [] # of the bucket of the packages only: see main.tf
    google_storage_notification                    = ["storage.buckets.get"]

    # Data sources.
    google_project                         = ["resourcemanager.projects.get"]
    google_storage_project_service_account = ["resourcemanager.projects.get"]
  }

  reads_load_balancer = {
    google_compute_backend_service               = ["compute.backendServices.get"]
    google_compute_global_address                = ["compute.globalAddresses.get"]
    google_compute_global_forwarding_rule        = ["compute.globalForwardingRules.get"]
    google_compute_managed_ssl_certificate       = ["compute.sslCertificates.get"]
    google_compute_region_network_endpoint_group = ["compute.regionNetworkEndpointGroups.get"]
    google_compute_security_policy               = ["compute.securityPolicies.get"]
    google_compute_target_https_proxy            = ["compute.targetHttpsProxies.get"]
    google_compute_url_map                       = ["compute.urlMaps.get"]
  }

  # The roles that the module grants on the project. The deployer may grant and revoke these and no others: with more it
  # could make itself owner.
  granted_roles = [
    "roles/artifactregistry.writer",
    "roles/datastore.user",
    "roles/logging.logWriter",
    "roles/storage.objectViewer",
  ]

  deployer_roles      = toset(flatten([values(local.deploys), var.load_balancer ? values(local.deploys_load_balancer) : []]))
  planner_permissions = toset(flatten([values(local.reads), var.load_balancer ? values(local.reads_load_balancer) : []]))
}
